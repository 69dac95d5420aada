"""The flags of `tfedrs data list`, `fetch` and `info`."""

from launch.machine_arguments import Add

DATA_EXAMPLES = """\
  tfedrs data list
  tfedrs data fetch ml-100k ml-1m-ncf
  tfedrs data info ml-100k"""


def add_data_commands(add: Add) -> None:
    """Add them below `tfedrs data`."""
    add("list", "every data set with a name, and whether it is here", "  tfedrs data list\n  tfedrs data list --json")
    fetch = add(
        "fetch",
        "the official files of data sets, where runs look for them",
        "  tfedrs data fetch ml-100k\n  tfedrs data fetch ml-1m-ncf filmtrust --json",
    )
    fetch.add_argument("names", nargs="+", metavar="NAME", help="as `tfedrs data list` shows them")
    info = add(
        "info",
        "what a data set is, and what its files hold",
        "  tfedrs data info ml-latest-small-2016\n  tfedrs data info csv:ratings.csv \\\n"
        "      --csv-columns user=userId,item=movieId,rating=rating",
    )
    info.add_argument("name", metavar="NAME", help="as `tfedrs data list` shows them, or csv:FILE")
    info.add_argument("--csv-columns", default="", metavar="NAMES", help="for csv:FILE, as for `tfedrs run`")
