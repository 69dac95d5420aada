"""The published data sets: what each is, who may have it, where it lies officially, and how its bytes are recognised.

Loaders' errors, `tfedrs data` and docs/data.md say what stands here. A checksum is one that somebody recorded who had
the file; `sha256_from` says who, because GroupLens publishes md5 sums only and the others none.
"""

from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path

from common.data.source_file import find_source

BUNDLED_NAME = "ml-latest-small-2016"
_GROUPLENS = "https://files.grouplens.org/datasets/movielens"
_NOT_PASSED_ON = "GroupLens terms: research with citation; no commercial use and no redistribution without permission"
_PASSED_ON = "GroupLens terms: redistribution under the same terms; no commercial use without permission; citation"
_HARPER_KONSTAN = (
    "F. Maxwell Harper and Joseph A. Konstan. 2015. The MovieLens Datasets: History and Context. ACM TiiS 5(4):19. "
    "https://doi.org/10.1145/2827872"
)
_TENSORFLOW_DATASETS = "recorded by TensorFlow Datasets"


@dataclass(frozen=True)
class Download:
    """One official file.

    Fields:
        url: Where it lies.
        file: Its name while it is downloaded, and for good where it is no archive.
        sha256: Of its bytes, in hexadecimal.
        sha256_from: Who says so.
        bytes: Its length, None where nobody recorded it.
        archive_folder: For a zip, the folder in it whose files count, "" for all; None where it is no archive.
        gives: One of these files, plain or compressed, is there once it has been fetched.
        instead: Files that are loaded too, where none of those is there.
    """

    url: str
    file: str
    sha256: str
    sha256_from: str
    bytes: int | None
    archive_folder: str | None
    gives: tuple[str, ...]
    instead: tuple[str, ...] = ()


@dataclass(frozen=True)
class PublishedDataset:
    """One data set by name.

    Fields:
        name: As for --dataset.
        about: What it is, in a few words.
        folder: Below the folder of all data sets; two names may share one.
        lines: Ratings in the published file.
        users, items, interactions: After loading, with every pair once; None where that was never counted.
        licence: In short.
        redistributable: Whether copies may be passed on.
        citation: What publications have to name.
        page: Where its authors describe it.
        downloads: What has to be fetched, in this order; none for the bundled one.
        remarks: File name -> what to know of numbers that come from this file.
    """

    name: str
    about: str
    folder: str
    lines: int
    users: int | None
    items: int | None
    interactions: int | None
    licence: str
    redistributable: bool
    citation: str
    page: str
    downloads: tuple[Download, ...]
    remarks: dict[str, str] = field(default_factory=dict)

    def found(self, root: Path) -> tuple[Path, ...] | None:
        """Return the files that make it usable below the folder of all data sets, None where one is missing."""
        folder = root / self.folder
        paths = tuple(find_source(folder, *one.gives, *one.instead) for one in self.downloads)
        here = tuple(path for path in paths if path is not None)
        return here if len(here) == len(paths) else None

    def remarks_on(self, files: Collection[str]) -> list[str]:
        """Return the remarks on these files, by their names, compressed or not."""
        plain = {name.removesuffix(".gz").removesuffix(".xz") for name in files}
        return [remark for name, remark in self.remarks.items() if name in plain]

    def missing(self, root: Path | None) -> str:
        """Return the sentence for who asks for it where it is not."""
        how = f"run `tfedrs data fetch {self.name}`"
        if root is None:
            return f"{self.name} does not come with the code: {how}, or set TFEDRS_DATA to the folder that holds it."
        files = ", ".join(" or ".join(one.gives + one.instead) for one in self.downloads)
        return (
            f"{self.name} is not in {root / self.folder} ({files}; plain, .gz or .xz): {how}, or set TFEDRS_DATA to "
            f"the folder that holds {self.folder}/."
        )


_ML_1M = Download(
    url=f"{_GROUPLENS}/ml-1m.zip",
    file="ml-1m.zip",
    sha256="a6898adb50b9ca05aa231689da44c217cb524e7ebd39d264c56e2832f2c54e20",
    sha256_from=_TENSORFLOW_DATASETS,
    bytes=5_917_549,
    archive_folder="ml-1m",
    gives=("ratings.rebuilt.dat", "ratings.dat"),
)
_ML_1M_REMARKS = {
    "ratings.rebuilt.dat": "Half of the timestamps of ratings.rebuilt.dat are unknown; pairs and ratings are complete."
}

_ALL = (
    PublishedDataset(
        name=BUNDLED_NAME,
        about="MovieLens, release of October 2016",
        folder=BUNDLED_NAME,
        lines=100_004,
        users=671,
        items=9_066,
        interactions=100_004,
        licence=_PASSED_ON,
        redistributable=True,
        citation=_HARPER_KONSTAN,
        page="https://grouplens.org/datasets/movielens/",
        downloads=(),
    ),
    PublishedDataset(
        name="ml-latest-small",
        about="MovieLens, release of September 2018",
        folder="ml-latest-small",
        lines=100_836,
        users=610,
        items=9_724,
        interactions=100_836,
        licence=_PASSED_ON,
        redistributable=True,
        citation=_HARPER_KONSTAN,
        page="https://grouplens.org/datasets/movielens/latest/",
        downloads=(
            Download(
                url=f"{_GROUPLENS}/ml-latest-small.zip",
                file="ml-latest-small.zip",
                sha256="696d65a3dfceac7c45750ad32df2c259311949efec81f0f144fdfb91ebc9e436",
                sha256_from=_TENSORFLOW_DATASETS,
                bytes=978_202,
                archive_folder="ml-latest-small",
                gives=("ratings.csv",),
            ),
        ),
    ),
    PublishedDataset(
        name="ml-1m",
        about="MovieLens 1M",
        folder="ml-1m",
        lines=1_000_209,
        users=6_040,
        items=3_706,
        interactions=1_000_209,
        licence=_NOT_PASSED_ON,
        redistributable=False,
        citation=_HARPER_KONSTAN,
        page="https://grouplens.org/datasets/movielens/1m/",
        downloads=(_ML_1M,),
        remarks=_ML_1M_REMARKS,
    ),
    PublishedDataset(
        name="ml-1m-ncf",
        about="MovieLens 1M with the test items and negatives of the NCF paper",
        folder="ml-1m",
        lines=1_000_209,
        users=6_040,
        items=3_706,
        interactions=1_000_209,
        licence=_NOT_PASSED_ON,
        redistributable=False,
        citation=f"{_HARPER_KONSTAN} Split: X. He, L. Liao, H. Zhang, L. Nie, X. Hu and T.-S. Chua. 2017. Neural "
        "Collaborative Filtering. WWW. https://doi.org/10.1145/3038912.3052569",
        page="https://github.com/hexiangnan/neural_collaborative_filtering",
        downloads=(
            _ML_1M,
            Download(
                url="https://raw.githubusercontent.com/hexiangnan/neural_collaborative_filtering/master/Data/"
                "ml-1m.test.negative",
                file="ml-1m.test.negative",
                sha256="127853228a76b7d21c0481e8ef8d00dd009cd5c88670dbdd9e9debfdb9f93de4",
                sha256_from="of the file in its authors' repository",
                bytes=2_891_424,
                archive_folder=None,
                gives=("ncf-split/ml-1m.test.negative", "ml-1m.test.negative"),
            ),
        ),
        remarks=_ML_1M_REMARKS,
    ),
    PublishedDataset(
        name="ml-100k",
        about="MovieLens 100K",
        folder="ml-100k",
        lines=100_000,
        users=943,
        items=1_682,
        interactions=100_000,
        licence=_NOT_PASSED_ON,
        redistributable=False,
        citation=_HARPER_KONSTAN,
        page="https://grouplens.org/datasets/movielens/100k/",
        downloads=(
            Download(
                url=f"{_GROUPLENS}/ml-100k.zip",
                file="ml-100k.zip",
                sha256="50d2a982c66986937beb9ffb3aa76efe955bf3d5c6b761f4e3a7cd717c6a3229",
                sha256_from=_TENSORFLOW_DATASETS,
                bytes=4_924_029,
                archive_folder="ml-100k",
                gives=("u.data",),
            ),
        ),
    ),
    PublishedDataset(
        name="filmtrust",
        about="FilmTrust, without timestamps",
        folder="filmtrust",
        lines=35_497,
        users=1_508,
        items=2_071,
        interactions=35_494,
        licence="none stated; its authors ask for citation: research use, not to be passed on",
        redistributable=False,
        citation="G. Guo, J. Zhang and N. Yorke-Smith. 2013. A Novel Bayesian Similarity Measure for Recommender "
        "Systems. IJCAI, 2619-2625.",
        page="https://guoguibing.github.io/librec/datasets.html",
        downloads=(
            Download(
                url="https://guoguibing.github.io/librec/datasets/filmtrust.zip",
                file="filmtrust.zip",
                sha256="de4a55cb4ae26f663d88e9ad1ba1fae2d0d6d7a7499e37dc5245bab470c2d13c",
                sha256_from="recorded by OmniRec, by nobody else",
                bytes=None,
                archive_folder="",
                gives=("ratings.txt",),
            ),
        ),
    ),
    PublishedDataset(
        name="amazon-appliances",
        about="Amazon reviews of 2018, category Appliances, ratings only",
        folder="amazon-appliances",
        lines=602_777,
        users=None,
        items=None,
        interactions=None,
        licence="none stated; its authors ask for citation: research use, not to be passed on",
        redistributable=False,
        citation="J. Ni, J. Li and J. McAuley. 2019. Justifying Recommendations using Distantly-Labeled Reviews and "
        "Fine-Grained Aspects. EMNLP-IJCNLP. https://doi.org/10.18653/v1/D19-1018",
        page="https://nijianmo.github.io/amazon/index.html",
        downloads=(
            Download(
                url="https://mcauleylab.ucsd.edu/public_datasets/data/amazon_v2/categoryFilesSmall/Appliances.csv",
                file="Appliances.csv",
                sha256="35af90b093508f4a811d259b71b94d45b2f67b0daf3d702203d29ff6b16b1e28",
                sha256_from="recorded by OmniRec, by nobody else",
                bytes=None,
                archive_folder=None,
                gives=("Appliances.csv",),
                instead=("Appliances_5.json",),
            ),
        ),
        remarks={
            "Appliances_5.json": "The 5-core file is no benchmark: nearly all of its lines repeat others, and only "
            "183 distinct pairs of 47 users and 48 items are left."
        },
    ),
)
PUBLISHED = {dataset.name: dataset for dataset in _ALL}
"""Every data set that has a name, the bundled one first."""
