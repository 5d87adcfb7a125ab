"""What errors suggest for a name that is not known."""

import pytest

from reppo.errors import close_arguments, closest_names, unknown_name

MANY = [f"theme{i}/name{i}" for i in range(200)]


def test_at_most_five_names_are_suggested_and_the_cure_comes_before_those_that_are_far():
    error = str(unknown_name("name", "Qqq", MANY, "Name the file: --file FILE."))
    assert error.startswith("Unknown name 'Qqq'. Name the file: --file FILE. The closest of the 200 known: ")
    assert error.count("theme") == 5 and len(error) < 200
    near = str(unknown_name("name", "theme17/name1", MANY, "List them."))
    assert near.startswith("Unknown name 'theme17/name1'. Did you mean 'theme17/name17' or ")
    assert near.count("theme") == 6 and near.endswith("? List them.")


def test_few_names_are_all_told():
    assert str(unknown_name("kind", "x", ["b", "a"], "Choose.")) == "Unknown kind 'x'. Known: a, b. Choose."
    assert str(unknown_name("kind", "x", [])) == "Unknown kind 'x'. Known: none."


@pytest.mark.parametrize(
    ("given", "known", "first"),
    [
        ("hlgauss", ["TwoHot", "HLGauss", "Gauss"], "HLGauss"),
        ("gauss", ["Gates", "HLGaussOfManyWords", "Causes"], "HLGaussOfManyWords"),
        ("mse", ["value/mse", "kl/mismatched_4", "me"], "value/mse"),
        ("kl/no_lk", ["kl/no_kl", "kl/no_klo", "value/mse"], "kl/no_kl"),
    ],
)
def test_case_and_place_do_not_keep_a_name_away(given, known, first):
    near, close = closest_names(given, known)
    assert near and close[0] == first


def test_a_misspelled_argument_is_told_those_that_it_may_be():
    class Adam:
        def __init__(self, learning_rate, clip):
            pass

    def fault(call):
        with pytest.raises(TypeError) as caught:
            call()
        said = str(caught.value).partition(". Did you mean")[0]  # Python says it itself from 3.13 on
        return TypeError(said.replace(f"{Adam.__qualname__}.", "Adam."))

    near, far = fault(lambda: Adam(learning_rat=1)), fault(lambda: Adam(qqq=1))
    assert close_arguments(near, {"Adam": Adam}) == ". Did you mean 'learning_rate'?"
    assert close_arguments(far, {"Adam": Adam}) == ". It takes clip, learning_rate, ..."
    assert close_arguments(near, {}) == close_arguments(TypeError("another"), {"Adam": Adam}) == ""
    assert close_arguments(TypeError(f"{near}. Did you mean 'learning_rate'?"), {"Adam": Adam}) == ""
