"""What a storm counted, shown at the end of the run, also where a worker of pytest-xdist ran the storm."""

import pytest

#: The name under which the test's report carries the storm's.
REPORT = "storm"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for report in [*terminalreporter.getreports("passed"), *terminalreporter.getreports("failed")]:
        for name, text in report.user_properties:
            if name == REPORT:
                terminalreporter.write_sep("-", "storm")
                terminalreporter.write_line(text)
