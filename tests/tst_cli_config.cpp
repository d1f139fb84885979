// SPDX-License-Identifier: MIT
#include <QTest>
class TestCliConfig : public QObject {
    Q_OBJECT
};
QTEST_GUILESS_MAIN(TestCliConfig)
#include "tst_cli_config.moc"
