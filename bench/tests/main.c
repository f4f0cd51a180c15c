#include "tests/tests.h"

int main(void)
{
    int failed = cmocka_run_group_tests_name("histogram", histogram_tests, NULL, NULL);
    failed += cmocka_run_group_tests_name("origin request", request_tests, NULL, NULL);
    failed += cmocka_run_group_tests_name("load response", response_tests, NULL, NULL);
    failed += cmocka_run_group_tests_name("origin pace", pace_tests, NULL, NULL);
    return failed > 0 ? 1 : 0;
}
