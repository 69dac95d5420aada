from common.config import Settings
from common.data.published import PUBLISHED
from experiments.chosen_settings import CHOSEN, COMMON, reason_of, settings_of


def test_every_choice_is_of_a_data_set_that_there_is_and_makes_settings():
    assert set(CHOSEN) <= set(PUBLISHED)
    for dataset in CHOSEN:
        assert settings_of(dataset, {}).dataset == dataset


def test_a_data_set_has_its_own_settings_and_the_others_the_defaults():
    assert settings_of("ml-1m-ncf", {}) == Settings(dataset="ml-1m-ncf", clients=10, factors=128, **COMMON)
    assert settings_of("ml-latest-small", {}) == Settings(dataset="ml-latest-small", **COMMON)


def test_what_is_asked_for_goes_before_what_was_chosen_and_the_page_says_so():
    asked = {"factors": 32, "train_on_validation": False}
    settings = settings_of("ml-1m-ncf", asked)
    assert (settings.factors, settings.clients, settings.train_on_validation) == (32, 10, False)
    assert reason_of("ml-1m-ncf", asked) == "Settings given on the command line."
    assert reason_of("ml-1m-ncf", {"factors": 128}) == CHOSEN["ml-1m-ncf"].reason
