"""A machine without a browser: told apart from one where everything must be tested."""

import pytest

from .harness import chromium_path


@pytest.mark.parametrize(("ci", "outcome"), [("true", pytest.fail.Exception), ("", pytest.skip.Exception)])
def test_without_chromium_tests_skip_with_the_reason_and_fail_in_ci(monkeypatch, tmp_path, ci, outcome):
    monkeypatch.setenv("CI", ci)
    with pytest.raises(outcome, match="apt-get install chromium"):
        chromium_path(str(tmp_path))
