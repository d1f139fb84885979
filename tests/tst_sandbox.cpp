// SPDX-License-Identifier: MIT
#include "Sentinel/sandbox/Sandbox.h"
#include "Sentinel/sandbox/Sandbox_p.h"
#include "support/ChildProcess.h"

#include <QFile>
#include <QTemporaryDir>
#include <QTest>

#include <linux/aio_abi.h>
#include <seccomp.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <new>

#include <arpa/inet.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>

using namespace Sentinel;
using namespace Sentinel::Test;
using namespace Qt::StringLiterals;

namespace {

constexpr qint64 mib = Limits::mib;

//! Something that hostile code would like to do. Returns 0 if it could.
struct Attempt {
    const char *name;
    int (*run)();
};

// What an attempt needs, made before the sandbox is entered.
int heldDescriptor = -1; // the writing end of a pipe
void *heldPage = nullptr;
pid_t parentId = 0;
const char *victimPath = nullptr; // a file that may be read and written

void *nothing(void *)
{
    return nullptr;
}

int sentTo(const sockaddr *address, socklen_t size)
{
    return ::sendto(heldDescriptor, "x", 1, 0, address, size) == 1 ? 0 : 1;
}

int connectTo(int family, const void *address, socklen_t size)
{
    const int socket = ::socket(family, SOCK_STREAM, 0);
    return ::connect(socket, static_cast<const sockaddr *>(address), size) == 0 ? 0 : errno;
}

template <long number, typename... Arguments>
int call(Arguments... arguments)
{
    return ::syscall(number, arguments...) >= 0 ? 0 : 1;
}

constexpr Attempt forbidden[] = {
    {"open a file", [] { return ::open(victimPath, O_RDONLY) >= 0 ? 0 : 1; }},
    {"open a file past the C library",
        [] { return call<SYS_openat>(AT_FDCWD, victimPath, O_RDONLY); }},
    {"look for a file", [] { return ::access(victimPath, F_OK); }},
    {"ask for a file's size",
        [] {
            struct stat status { };
            return ::stat(victimPath, &status);
        }},
    {"make a file", [] { return ::open("sandbox-made", O_CREAT | O_WRONLY, 0600) >= 0 ? 0 : 1; }},
    {"remove a file", [] { return ::unlink(victimPath); }},
    {"make a nameless file", [] { return ::memfd_create("x", 0) >= 0 ? 0 : 1; }},
    {"write to what is open", [] { return ::write(heldDescriptor, "x", 1) == 1 ? 0 : 1; }},
    {"read from what is open",
        [] {
            char byte = 0;
            return ::read(heldDescriptor, &byte, 1) >= 0 ? 0 : 1;
        }},
    {"make a socket", [] { return ::socket(AF_INET, SOCK_STREAM, 0) >= 0 ? 0 : 1; }},
    {"make a pair of sockets",
        [] {
            std::array<int, 2> ends{};
            return ::socketpair(AF_UNIX, SOCK_STREAM, 0, ends.data());
        }},
    {"send to an address",
        [] {
            const sockaddr_un address{AF_UNIX, "/run/somebody"};
            return sentTo(reinterpret_cast<const sockaddr *>(&address), sizeof(address));
        }},
    {"run a program",
        [] {
            std::array<char *, 1> none{};
            return ::execve("/bin/true", none.data(), none.data());
        }},
    {"fork",
        [] {
            const pid_t child = ::fork();
            if (child == 0)
                ::_exit(0);
            return child > 0 ? 0 : 1;
        }},
    {"start a thread",
        [] {
            pthread_t thread{};
            return ::pthread_create(&thread, nullptr, nothing, nullptr);
        }},
    {"map code",
        [] {
            return ::mmap(nullptr, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
                    != MAP_FAILED
                ? 0
                : 1;
        }},
    {"make memory code", [] { return ::mprotect(heldPage, 4096, PROT_READ | PROT_EXEC); }},
    {"make memory code by key", [] { return ::pkey_mprotect(heldPage, 4096, PROT_EXEC, -1); }},
    {"be traced", [] { return ::ptrace(PTRACE_TRACEME, 0, 0, 0) == 0 ? 0 : 1; }},
    {"trace another process", [] { return ::ptrace(PTRACE_ATTACH, parentId, 0, 0) == 0 ? 0 : 1; }},
    {"read another process",
        [] {
            long word = 0;
            const iovec here{&word, sizeof(word)};
            const iovec there{heldPage, sizeof(word)};
            return ::process_vm_readv(parentId, &here, 1, &there, 1, 0) > 0 ? 0 : 1;
        }},
    {"kill another process", [] { return ::kill(parentId, 0); }},
    {"signal itself", [] { return ::raise(SIGTERM); }},
    {"have a signal sent by a descriptor",
        [] { return ::fcntl(heldDescriptor, F_SETOWN, parentId) == 0 ? 0 : 1; }},
    {"change a descriptor's flags", [] { return ::fcntl(heldDescriptor, F_SETFD, 0); }},
    {"copy a descriptor", [] { return ::fcntl(heldDescriptor, F_DUPFD, 0) >= 0 ? 0 : 1; }},
    {"push into a terminal", [] { return ::ioctl(heldDescriptor, TIOCSTI, "x"); }},
    {"raise a limit",
        [] {
            const rlimit limit{RLIM_INFINITY, RLIM_INFINITY};
            return ::setrlimit(RLIMIT_AS, &limit);
        }},
    {"become another user", [] { return call<SYS_setuid>(65534); }},
    {"have a namespace of its own", [] { return call<SYS_unshare>(0x10000000); }},
    {"load a filter", [] { return ::prctl(PR_SET_SECCOMP, 2, nullptr); }},
    {"load a program into the kernel", [] { return call<SYS_bpf>(0, nullptr, 0); }},
    {"queue calls to the kernel", [] { return call<SYS_io_uring_setup>(1, nullptr); }},
    {"queue input and output",
        [] {
            aio_context_t context = 0;
            return call<SYS_io_setup>(1, &context);
        }},
    {"stop page faults", [] { return call<SYS_userfaultfd>(0); }},
    {"change the personality", [] { return call<SYS_personality>(0x0400000); }},
    {"sleep",
        [] {
            const timespec moment{0, 1};
            return ::nanosleep(&moment, nullptr);
        }},
#ifdef __x86_64__
    {"call by another architecture's numbers",
        [] {
            long number = 20; // getpid of i386
            __asm__ volatile("int $0x80" : "+a"(number) : : "memory", "r8", "r9", "r10", "r11");
            return 0;
        }},
    {"call by x32's numbers", [] { return call<0x40000000L + SYS_getpid>(); }},
#endif
};

//! What a scan does; each returns 0 if it could.
constexpr Attempt allowed[] = {
    {"nothing", [] { return 0; }},
    {"take and give back memory",
        [] {
            for (const size_t bytes : {size_t(100), size_t(100'000), size_t(50 * mib)}) {
                void *memory = std::malloc(bytes);
                if (!memory)
                    return 1;
                std::memset(memory, 1, bytes);
                memory = std::realloc(memory, 2 * bytes);
                std::free(memory);
            }
            return 0;
        }},
    {"make memory writable", [] { return ::mprotect(heldPage, 4096, PROT_READ | PROT_WRITE); }},
    {"ask what a descriptor is",
        [] {
            struct stat status { };
            return statDescriptor(heldDescriptor, status) && S_ISFIFO(status.st_mode) ? 0 : 1;
        }},
    {"ask for a descriptor's flags", [] { return ::fcntl(heldDescriptor, F_GETFL) >= 0 ? 0 : 1; }},
    {"ask for the time",
        [] {
            timespec now{};
            return static_cast<int>(::syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &now));
        }},
    {"close a descriptor", [] { return ::close(heldDescriptor); }},
};

//! The feature of that name; qFatal without.
const SandboxFeature &feature(const SandboxReport &report, const char *name)
{
    for (const SandboxFeature &one : report.features)
        if (one.name == QLatin1StringView(name))
            return one;
    qFatal("no sandbox feature %s", name);
}

//! Why this machine lacks that wall: said by a child, which alone puts it up.
QString missing(const char *name)
{
    std::array<int, 2> ends{};
    if (::pipe(ends.data()) != 0)
        qFatal("no pipe");
    runInChild([&] {
        SandboxReport report;
        renouncePrivileges(report);
        confineByLandlock(landlockAbi(), report);
        const QByteArray why = feature(report, name).whyNot.toUtf8();
        return ::write(ends[1], why.constData(), size_t(why.size())) == why.size() ? 0 : 1;
    });
    ::close(ends[1]);
    QFile answer;
    const bool isOpen = answer.open(ends[0], QIODevice::ReadOnly, QFileDevice::AutoCloseHandle);
    return isOpen ? QString::fromUtf8(answer.readAll()) : u"unknown"_s;
}

//! Lets a system call fail from now on in this process, as on a kernel that does not know it.
void forget(int systemCall, int error, std::optional<scmp_arg_cmp> condition = {})
{
    void *filter = seccomp_init(SCMP_ACT_ALLOW);
    const scmp_arg_cmp comparison = condition.value_or(scmp_arg_cmp{});
    seccomp_rule_add_array(
        filter, SCMP_ACT_ERRNO(quint32(error)), systemCall, condition ? 1 : 0, &comparison);
    if (seccomp_load(filter) != 0)
        qFatal("no filter");
    seccomp_release(filter);
}

constexpr int couldNot = 99;

} // namespace

#define SKIP_UNDER_SANITIZERS()                                                                    \
    if (isSanitizerBuild)                                                                          \
    QSKIP("a sanitizer build has no limit of memory and no filter of system calls")

class tst_Sandbox : public QObject {
    Q_OBJECT

private Q_SLOTS:
    void initTestCase();
    void cleanupTestCase();

    void report_thisBuild_namesEveryWall();
    void report_kernelWithoutLandlock_saysSo();
    void report_kernelWithoutExecutionGuard_saysSo();
    void report_filterRefused_saysSo();
    void report_olderLandlock_saysWhatIsMissing_data();
    void report_olderLandlock_saysWhatIsMissing();
    void allowList_size_isWithinItsBound();
    void forbiddenCall_insideTheSandbox_kills_data();
    void forbiddenCall_insideTheSandbox_kills();
    void allowedCall_insideTheSandbox_works_data();
    void allowedCall_insideTheSandbox_works();
    void memory_beyondItsLimit_isRefused();
    void addressSpace_beyondItsLimit_isRefused();
    void smallLimit_memoryInUse_onlyGrowthIsRefused();
    void descriptors_beyondTheirLimit_areRefused();
    void fileGrowth_anyFile_isRefused();
    void fork_ofAnOrdinaryUser_isRefused();
    void privileges_renounced_areGone();
    void newCode_withoutTheFilter_isRefused();
    void landlock_alone_deniesFiles_data();
    void landlock_alone_deniesFiles();
    void landlock_alone_deniesNetwork();
    void landlock_alone_deniesOthersSocketsAndSignals();

private:
    std::array<int, 2> m_pipe{-1, -1};
    QTemporaryDir m_directory;
    QByteArray m_victimPath;
};

void tst_Sandbox::initTestCase()
{
    QCOMPARE(::pipe(m_pipe.data()), 0);
    heldDescriptor = m_pipe[1];
    heldPage = ::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    QVERIFY(heldPage != MAP_FAILED);
    parentId = ::getpid();
    m_victimPath = m_directory.filePath(u"victim"_s).toLocal8Bit();
    QFile victim(m_directory.filePath(u"victim"_s));
    QVERIFY(victim.open(QIODevice::WriteOnly));
    QCOMPARE(victim.write("content"), 7);
    victimPath = m_victimPath.constData();
}

void tst_Sandbox::cleanupTestCase()
{
    ::munmap(heldPage, 4096);
    ::close(m_pipe[0]);
    ::close(m_pipe[1]);
    QVERIFY(QFile::exists(m_directory.filePath(u"victim"_s)));
}

void tst_Sandbox::report_thisBuild_namesEveryWall()
{
    const QString end = runInChild([] {
        const SandboxReport report = enterSandbox();
        constexpr std::array always{"no-new-privileges", "not-dumpable", "no-core-dumps",
            "descriptor-limit", "no-file-growth", "no-processes"};
        constexpr std::array unlessSanitized{"memory-limit", "address-limit", "system-call-filter"};
        constexpr std::array byKernel{
            "no-new-code", "landlock-files", "landlock-network", "landlock-scopes"};
        int wrong = 0;
        for (const char *name : always)
            wrong += feature(report, name).isInForce ? 0 : 1;
        for (const char *name : unlessSanitized)
            wrong += feature(report, name).isInForce == isSanitizerBuild ? 1 : 0;
        for (const char *name : byKernel)
            wrong +=
                feature(report, name).isInForce == feature(report, name).whyNot.isEmpty() ? 0 : 1;
        const size_t named = always.size() + unlessSanitized.size() + byKernel.size();
        wrong += report.features.size() == named ? 0 : 1;
        bool isComplete = true;
        for (const SandboxFeature &one : report.features) {
            isComplete = isComplete && one.isInForce;
            wrong += one.isInForce == one.whyNot.isEmpty() ? 0 : 1;
        }
        wrong += report.isComplete() == isComplete ? 0 : 1;
        return wrong;
    });
    QCOMPARE(end, u"exit 0"_s);
}

void tst_Sandbox::report_kernelWithoutLandlock_saysSo()
{
    for (const int error : {ENOSYS, EOPNOTSUPP}) {
        const QString end = runInChild([error] {
            forget(SYS_landlock_create_ruleset, error);
            const SandboxReport report = enterSandbox();
            for (const char *name : {"landlock-files", "landlock-network", "landlock-scopes"})
                if (feature(report, name).isInForce || feature(report, name).whyNot.isEmpty())
                    return 1;
            if (report.isComplete())
                return 2;
            return feature(report, "system-call-filter").isInForce == isSanitizerBuild ? 3 : 0;
        });
        QCOMPARE(end, u"exit 0"_s);
    }
}

void tst_Sandbox::report_kernelWithoutExecutionGuard_saysSo()
{
    const QString end = runInChild([] {
        forget(SYS_prctl, EINVAL, SCMP_A0(SCMP_CMP_EQ, 65));
        const SandboxReport report = enterSandbox();
        if (feature(report, "no-new-code").isInForce)
            return 1;
        return feature(report, "no-new-code").whyNot == u"needs Linux 6.3" ? 0 : 2;
    });
    QCOMPARE(end, u"exit 0"_s);
}

void tst_Sandbox::report_filterRefused_saysSo()
{
    SKIP_UNDER_SANITIZERS();
    const QString end = runInChild([] {
        ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
        forget(SYS_prctl, EPERM, SCMP_A0(SCMP_CMP_EQ, PR_SET_SECCOMP));
        forget(SYS_seccomp, EPERM);
        const SandboxReport report = enterSandbox();
        if (::access(victimPath, F_OK) != 0)
            return 1; // Landlock does not mind; the filter would have killed
        const SandboxFeature &filter = feature(report, "system-call-filter");
        return filter.isInForce || filter.whyNot.isEmpty() || report.isComplete() ? 2 : 0;
    });
    QCOMPARE(end, u"exit 0"_s);
}

void tst_Sandbox::report_olderLandlock_saysWhatIsMissing_data()
{
    QTest::addColumn<int>("abi");
    QTest::addColumn<int>("wallsInForce");
    QTest::newRow("files only") << 1 << 1;
    QTest::newRow("and links") << 2 << 1;
    QTest::newRow("and truncation") << 3 << 1;
    QTest::newRow("and network") << 4 << 2;
    QTest::newRow("and devices") << 5 << 2;
    QTest::newRow("and scopes") << 6 << 3;
}

void tst_Sandbox::report_olderLandlock_saysWhatIsMissing()
{
    QFETCH(int, abi);
    QFETCH(int, wallsInForce);
    if (landlockAbi() < abi)
        QSKIP("this kernel's Landlock is older still");
    const QString end = runInChild([&] {
        SandboxReport report;
        renouncePrivileges(report);
        confineByLandlock(abi, report);
        int inForce = 0;
        for (const char *name : {"landlock-files", "landlock-network", "landlock-scopes"}) {
            const SandboxFeature &wall = feature(report, name);
            inForce += wall.isInForce ? 1 : 0;
            if (wall.isInForce != wall.whyNot.isEmpty())
                return couldNot;
        }
        return ::open(victimPath, O_RDONLY) >= 0 ? couldNot : inForce;
    });
    QCOMPARE(end, u"exit %1"_s.arg(wallsInForce));
}

void tst_Sandbox::allowList_size_isWithinItsBound()
{
    QVERIFY(!allowedSystemCalls().empty());
    QVERIFY(allowedSystemCalls().size() <= 24);
}

void tst_Sandbox::forbiddenCall_insideTheSandbox_kills_data()
{
    QTest::addColumn<int>("index");
    for (int i = 0; i < int(std::size(forbidden)); ++i)
        QTest::newRow(forbidden[i].name) << i;
}

void tst_Sandbox::forbiddenCall_insideTheSandbox_kills()
{
    SKIP_UNDER_SANITIZERS();
    QFETCH(int, index);
    const QString end = runInChild([index] {
        enterSandbox();
        return forbidden[index].run() == 0 ? 0 : couldNot;
    });
    QCOMPARE(end, u"signal %1"_s.arg(SIGSYS));
}

void tst_Sandbox::allowedCall_insideTheSandbox_works_data()
{
    QTest::addColumn<int>("index");
    for (int i = 0; i < int(std::size(allowed)); ++i)
        QTest::newRow(allowed[i].name) << i;
}

void tst_Sandbox::allowedCall_insideTheSandbox_works()
{
    QFETCH(int, index);
    const QString end = runInChild([index] {
        enterSandbox();
        return allowed[index].run();
    });
    QCOMPARE(end, u"exit 0"_s);
}

void tst_Sandbox::memory_beyondItsLimit_isRefused()
{
    SKIP_UNDER_SANITIZERS();
    const QString whole = runInChild([] {
        enterSandbox({.memoryBytes = 256 * mib});
        return std::malloc(size_t(300 * mib)) ? 1 : 0;
    });
    QCOMPARE(whole, u"exit 0"_s);
    const QString piecewise = runInChild([] {
        enterSandbox({.memoryBytes = 256 * mib});
        qint64 taken = 0;
        while (void *piece = ::operator new(10'000, std::nothrow)) {
            std::memset(piece, 1, 10'000);
            taken += 10'000;
        }
        return taken > 100 * mib && taken < 256 * mib ? 0 : 1;
    });
    QCOMPARE(piecewise, u"exit 0"_s);
}

void tst_Sandbox::addressSpace_beyondItsLimit_isRefused()
{
    SKIP_UNDER_SANITIZERS();
    const QString end = runInChild([] {
        enterSandbox({.addressBytes = 2 * Limits::gib});
        // Costs no memory, and counts all the same.
        const auto canReserve = [](qint64 bytes) {
            return ::mmap(nullptr, size_t(bytes), PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
                != MAP_FAILED;
        };
        return canReserve(Limits::gib) && !canReserve(2 * Limits::gib) && errno == ENOMEM ? 0 : 1;
    });
    QCOMPARE(end, u"exit 0"_s);
}

void tst_Sandbox::smallLimit_memoryInUse_onlyGrowthIsRefused()
{
    SKIP_UNDER_SANITIZERS();
    const QString end = runInChild([] {
        std::vector<char> held(size_t(64 * mib), 'x');
        enterSandbox({.memoryBytes = 64 * mib});
        if (held[size_t(32 * mib)] != 'x')
            return 1;
        return std::malloc(size_t(16 * mib)) ? 2 : 0;
    });
    QCOMPARE(end, u"exit 0"_s);
}

void tst_Sandbox::descriptors_beyondTheirLimit_areRefused()
{
    const QString end = runInChild([] {
        SandboxReport report;
        limitResources({.descriptors = 32}, report);
        int copy = heldDescriptor;
        while (const int next = ::dup(heldDescriptor)) {
            if (next < 0)
                break;
            copy = next;
        }
        return copy == 31 && errno == EMFILE ? 0 : 1;
    });
    QCOMPARE(end, u"exit 0"_s);
}

void tst_Sandbox::fileGrowth_anyFile_isRefused()
{
    const QString end = runInChild([] {
        ::signal(SIGXFSZ, SIG_IGN);
        const int file = ::open(victimPath, O_WRONLY | O_APPEND);
        SandboxReport report;
        limitResources({}, report);
        return ::write(file, "x", 1) < 0 && errno == EFBIG ? 0 : 1;
    });
    QCOMPARE(end, u"exit 0"_s);
}

void tst_Sandbox::fork_ofAnOrdinaryUser_isRefused()
{
    const QString end = runInChild([] {
        if (::getuid() == 0 && ::setresuid(65534, 65534, 65534) != 0)
            return couldNot;
        SandboxReport report;
        limitResources({}, report);
        const pid_t child = ::fork();
        if (child == 0)
            ::_exit(0);
        return child < 0 && errno == EAGAIN ? 0 : 1;
    });
    QCOMPARE(end, u"exit 0"_s);
}

void tst_Sandbox::privileges_renounced_areGone()
{
    const QString end = runInChild([] {
        SandboxReport report;
        renouncePrivileges(report);
        return ::prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1
                && ::prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) == 0
            ? 0
            : 1;
    });
    QCOMPARE(end, u"exit 0"_s);
}

void tst_Sandbox::newCode_withoutTheFilter_isRefused()
{
    if (const QString why = missing("no-new-code"); !why.isEmpty())
        QSKIP(qPrintable(why));
    const QString end = runInChild([] {
        SandboxReport report;
        renouncePrivileges(report);
        return ::mprotect(heldPage, 4096, PROT_READ | PROT_EXEC) < 0 && errno == EACCES ? 0 : 1;
    });
    QCOMPARE(end, u"exit 0"_s);
}

void tst_Sandbox::landlock_alone_deniesFiles_data()
{
    using Action = int (*)();
    QTest::addColumn<void *>("action");
    const auto add = [](const char *name, Action action) {
        QTest::newRow(name) << reinterpret_cast<void *>(action);
    };
    add("read", [] { return ::open(victimPath, O_RDONLY); });
    add("write", [] { return ::open(victimPath, O_WRONLY); });
    add("make", [] { return ::open((QByteArray(victimPath) + "2").constData(), O_CREAT, 0600); });
    add("remove", [] { return ::unlink(victimPath); });
    add("list", [] { return ::open("/", O_RDONLY | O_DIRECTORY); });
    add("run", [] {
        std::array<char *, 1> none{};
        return ::execve("/bin/true", none.data(), none.data());
    });
}

void tst_Sandbox::landlock_alone_deniesFiles()
{
    QFETCH(void *, action);
    if (const QString why = missing("landlock-files"); !why.isEmpty())
        QSKIP(qPrintable(why));
    const QString end = runInChild([action] {
        SandboxReport report;
        renouncePrivileges(report);
        confineByLandlock(landlockAbi(), report);
        return reinterpret_cast<int (*)()>(action)() < 0 && errno == EACCES ? 0 : 1;
    });
    QCOMPARE(end, u"exit 0"_s);
}

void tst_Sandbox::landlock_alone_deniesNetwork()
{
    if (const QString why = missing("landlock-network"); !why.isEmpty())
        QSKIP(qPrintable(why));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const int listener = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    QCOMPARE(::bind(listener, reinterpret_cast<sockaddr *>(&address), sizeof(address)), 0);
    QCOMPARE(::listen(listener, 8), 0);
    socklen_t size = sizeof(address);
    QCOMPARE(::getsockname(listener, reinterpret_cast<sockaddr *>(&address), &size), 0);
    const QString end = runInChild([&] {
        if (connectTo(AF_INET, &address, sizeof(address)) != 0)
            return 1;
        SandboxReport report;
        renouncePrivileges(report);
        confineByLandlock(landlockAbi(), report);
        return connectTo(AF_INET, &address, sizeof(address)) == EACCES ? 0 : 2;
    });
    ::close(listener);
    QCOMPARE(end, u"exit 0"_s);
}

void tst_Sandbox::landlock_alone_deniesOthersSocketsAndSignals()
{
    if (const QString why = missing("landlock-scopes"); !why.isEmpty())
        QSKIP(qPrintable(why));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    const QByteArray name = QByteArray(1, '\0') + "sentinel-test-" + QByteArray::number(::getpid());
    std::memcpy(address.sun_path, name.constData(), size_t(name.size()));
    const auto size = socklen_t(offsetof(sockaddr_un, sun_path) + size_t(name.size()));
    const int listener = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    QCOMPARE(::bind(listener, reinterpret_cast<sockaddr *>(&address), size), 0);
    QCOMPARE(::listen(listener, 8), 0);
    const QString end = runInChild([&] {
        if (connectTo(AF_UNIX, &address, size) != 0 || ::kill(parentId, 0) != 0)
            return 1;
        SandboxReport report;
        renouncePrivileges(report);
        confineByLandlock(landlockAbi(), report);
        if (connectTo(AF_UNIX, &address, size) != EPERM)
            return 2;
        return ::kill(parentId, 0) < 0 && errno == EPERM ? 0 : 3;
    });
    ::close(listener);
    QCOMPARE(end, u"exit 0"_s);
}

QTEST_GUILESS_MAIN(tst_Sandbox)
#include "tst_sandbox.moc"
