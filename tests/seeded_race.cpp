// SPDX-License-Identifier: MIT
//
// A data race on purpose, in workers of a QThreadPool as the scans are: the check of the check. If
// ThreadSanitizer with our suppressions lets it pass, it would let every other pass.
#include <QThreadPool>

int main()
{
    int unguarded = 0;
    QThreadPool pool;
    pool.setMaxThreadCount(2);
    for (int i = 0; i < 2; ++i) {
        pool.start([&unguarded] {
            for (int round = 0; round < 100'000; ++round)
                unguarded = unguarded + 1;
        });
    }
    pool.waitForDone();
    return unguarded == 0;
}
