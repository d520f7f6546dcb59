# SPDX-License-Identifier: Apache-2.0
import pytest

from crossmem_hf.errors import CrossmemError, unknown


def test_message_is_the_fault_then_the_remedy():
    error = CrossmemError("n=0 personas; expected at least 1.", "Pass a positive number.")
    assert str(error) == "n=0 personas; expected at least 1. Pass a positive number."
    assert (error.fault, error.remedy) == ("n=0 personas; expected at least 1.", "Pass a positive number.")


def test_callers_may_catch_value_error():
    with pytest.raises(ValueError, match="fault remedy"):
        raise CrossmemError("fault", "remedy")


def test_unknown_names_all_and_what_they_may_have_been():
    error = unknown("setting", ["sed", 7], ["seed", "seeds"])
    assert error.fault == "Unknown settings: 'sed' (did you mean 'seed'?), 7."
    assert error.remedy == "Choose from seed, seeds."
    assert str(unknown("preset", ["x"], ["remem"], "Leave it out.")) == "Unknown preset 'x'. Leave it out."


def test_a_remedy_is_required():
    with pytest.raises(TypeError, match="remedy"):
        CrossmemError("fault")
