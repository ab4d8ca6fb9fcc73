"""One row per operation; :mod:`tests.optable.test_optable` derives all tests from the rows."""
