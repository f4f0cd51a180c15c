/* A test's own directory. */
#ifndef NEXTPROXY_TEST_DIRECTORY_H
#define NEXTPROXY_TEST_DIRECTORY_H

/* With everything in it, unless it is gone already. Fails the test when something stays. */
void directory_remove(const char *path);

#endif
