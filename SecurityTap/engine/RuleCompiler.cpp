// SPDX-License-Identifier: MIT
#include "SecurityTap/engine/RuleCompiler.h"

#include "SecurityTap/Limits.h"
#include "SecurityTap/Logging.h"
#include "SecurityTap/content/Sha256.h"
#include "SecurityTap/engine/ProgramRules.h"
#include "SecurityTap/engine/RuleFiles.h"
#include "SecurityTap/engine/YaraFinding.h"
#include "SecurityTap/engine/YaraLibrary.h"

#include <QDir>
#include <QFileInfo>

#include <yara.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace Sentinel {

namespace {

struct DestroyCompiler {
    void operator()(YR_COMPILER *compiler) const { yr_compiler_destroy(compiler); }
};
struct DestroyRules {
    void operator()(YR_RULES *rules) const { yr_rules_destroy(rules); }
};
using RulesPointer = std::unique_ptr<YR_RULES, DestroyRules>;

//! One run of libyara's compiler over some files, with what it read and what it said.
struct Compilation {
    const RuleFile *current = nullptr;
    std::vector<RuleProblem> problems;
    std::vector<std::pair<QString, QByteArray>> included;
    bool usesEntryPoint = false;
    bool failed = false;
};

void reportProblem(
    int level, const char *file, int line, const YR_RULE *, const char *message, void *userData)
{
    auto *compilation = static_cast<Compilation *>(userData);
    const bool isError = level == YARA_ERROR_LEVEL_ERROR;
    compilation->failed |= isError;
    // libyara warns of every use. Every other warning with this word only makes us more careful.
    compilation->usesEntryPoint |= std::strstr(message, "entrypoint") != nullptr;
    if (compilation->problems.size() >= size_t(Limits::maxRuleErrors))
        return;
    compilation->problems.push_back(
        {isError ? RuleProblem::Level::Error : RuleProblem::Level::Warning,
            file ? QString::fromUtf8(file) : compilation->current->relativePath, line,
            QString::fromUtf8(message)});
}

const char *readInclude(const char *name, const char *includingFile, const char *, void *userData)
{
    auto *compilation = static_cast<Compilation *>(userData);
    const QString from =
        includingFile ? QString::fromUtf8(includingFile) : compilation->current->relativePath;
    // An absolute name leaves the directory, and is refused there like every other that does.
    const QString path = QDir::isAbsolutePath(QString::fromUtf8(name))
        ? QString::fromUtf8(name)
        : QFileInfo(from).path() + u'/' + QString::fromUtf8(name);
    auto text = compilation->current->directory->read(path);
    if (!text) {
        compilation->problems.push_back({RuleProblem::Level::Error, from, 0,
            QStringLiteral("the include \"%1\" %2").arg(QString::fromUtf8(name), text.error())});
        return nullptr;
    }
    if (text->contains('\0')) { // libyara would read up to there, and not say so
        compilation->problems.push_back({RuleProblem::Level::Error, path, 0,
            QStringLiteral("has a NUL byte, and is no rule text")});
        return nullptr;
    }
    compilation->included.emplace_back(path, *text);
    return ::strdup(text->constData());
}

void freeInclude(const char *text, void *)
{
    ::free(const_cast<char *>(text));
}

int refuseModules(YR_SCAN_CONTEXT *, int message, void *data, void *userData)
{
    if (message != CALLBACK_MSG_IMPORT_MODULE)
        return CALLBACK_CONTINUE;
    const char *module = static_cast<YR_MODULE_IMPORT *>(data)->module_name;
    if (isModuleAllowed(module))
        return CALLBACK_CONTINUE;
    *static_cast<QString *>(userData) = QString::fromLatin1(module);
    return CALLBACK_ERROR;
}

//! What is wrong with compiled \p rules, or "". Asked of libyara itself by a scan of nothing, which
//! names each module before it loads it: no way of writing the import can hide it.
QString refusal(YR_RULES *rules)
{
    QString module;
    const uchar nothing = 0;
    const auto scanNothing = [&] {
        return yr_rules_scan_mem(rules, &nothing, 0, SCAN_FLAGS_NO_TRYCATCH, &refuseModules,
            &module, int(Limits::maxEmptyEvaluation.count()));
    };
    int error = scanNothing();
    if (error == ERROR_SCAN_TIMEOUT) // once more: the machine may have stood still
        error = scanNothing();
    if (!module.isEmpty()) {
        return QStringLiteral(
            "imports the module \"%1\", which opens files on its own and is refused")
            .arg(module);
    }
    // Here nothing but the conditions can take time, and between them libyara does look at it.
    if (error == ERROR_SCAN_TIMEOUT) {
        return QStringLiteral("has a condition that takes more than %1 s on an empty file")
            .arg(Limits::maxEmptyEvaluation.count());
    }
    return error == ERROR_SUCCESS ? QString() : yaraErrorText(error);
}

bool addFile(YR_COMPILER *compiler, const RuleFile &file)
{
    // fmemopen refuses an empty buffer, and an empty file is no error.
    if (file.text.isEmpty())
        return true;
    FILE *stream =
        ::fmemopen(const_cast<char *>(file.text.constData()), size_t(file.text.size()), "r");
    if (!stream)
        return false;
    const int errors = yr_compiler_add_file(compiler, stream,
        file.ruleNamespace.toUtf8().constData(), file.relativePath.toUtf8().constData());
    ::fclose(stream);
    return errors == 0;
}

//! Null if anything was wrong: the compilation then says what.
RulesPointer compile(const std::vector<const RuleFile *> &files, Compilation &compilation)
{
    YR_COMPILER *made = nullptr;
    if (yr_compiler_create(&made) != ERROR_SUCCESS) {
        compilation.problems.push_back(
            {RuleProblem::Level::Error, {}, 0, QStringLiteral("out of memory")});
        return nullptr;
    }
    const std::unique_ptr<YR_COMPILER, DestroyCompiler> compiler(made);
    yr_compiler_set_callback(made, &reportProblem, &compilation);
    yr_compiler_set_include_callback(made, &readInclude, &freeInclude, &compilation);
    for (const char *name : externalVariables)
        yr_compiler_define_string_variable(made, name, "");

    for (const RuleFile *file : files) {
        compilation.current = file;
        if (!addFile(made, *file) || compilation.failed) {
            // A failed compiler cannot go on.
            if (!compilation.failed)
                reportProblem(YARA_ERROR_LEVEL_ERROR, nullptr, 0, nullptr, "cannot be compiled",
                    &compilation);
            return nullptr;
        }
    }
    YR_RULES *rules = nullptr;
    if (yr_compiler_get_rules(made, &rules) != ERROR_SUCCESS) {
        compilation.problems.push_back(
            {RuleProblem::Level::Error, {}, 0, QStringLiteral("libyara cannot build the set")});
        return nullptr;
    }
    RulesPointer result(rules);
    const QString refused = refusal(rules);
    if (refused.isEmpty())
        return result;
    compilation.problems.push_back({RuleProblem::Level::Error,
        files.size() == 1 ? files.front()->relativePath : QString(), 0, refused});
    return nullptr;
}

//! The set for files that do not begin with "MZ", without the rules that cannot match there; null
//! if that would save nothing.
RulesPointer compileReduced(const std::vector<const RuleFile *> &files, int ruleCount)
{
    std::vector<RuleFile> reduced;
    reduced.reserve(files.size());
    int removed = 0;
    for (const RuleFile *file : files) {
        ReducedRules rules = withoutProgramRules(file->text);
        removed += rules.removed;
        reduced.push_back(*file);
        reduced.back().text = std::move(rules.text);
    }
    if (removed == 0)
        return nullptr;
    std::vector<const RuleFile *> pointers;
    for (const RuleFile &file : reduced)
        pointers.push_back(&file);
    Compilation compilation;
    RulesPointer rules = compile(pointers, compilation);
    // Anything else than all the others would be a mistake of ours: then the whole set does it all.
    return rules && int(rules->num_rules) == ruleCount - removed ? std::move(rules) : nullptr;
}

QByteArray digestOf(const std::vector<const RuleFile *> &files, const Compilation &compilation,
    const RuleOptions &options)
{
    Sha256 hash;
    const auto add = [&hash](const QByteArray &bytes) {
        const qint64 size = bytes.size();
        hash.add({reinterpret_cast<const uchar *>(&size), sizeof size});
        hash.add({reinterpret_cast<const uchar *>(bytes.constData()), size_t(size)});
    };
    add(yaraVersion().toUtf8());
    add(nameOf(options.unratedSeverity).toUtf8());
    for (const RuleFile *file : files) {
        add(file->ruleNamespace.toUtf8());
        add(file->text);
    }
    for (const auto &[name, text] : compilation.included) {
        add(name.toUtf8());
        add(text);
    }
    return hash.result();
}

void append(std::vector<RuleProblem> &target, std::vector<RuleProblem> source)
{
    std::move(source.begin(), source.end(), std::back_inserter(target));
}

//! Each file on its own, so that every bad one is found: libyara stops at the first.
std::vector<const RuleFile *> goodFiles(
    const std::vector<RuleFile> &files, std::vector<RuleProblem> &problems)
{
    std::vector<const RuleFile *> good;
    for (const RuleFile &file : files) {
        Compilation alone;
        if (compile({&file}, alone))
            good.push_back(&file);
        append(problems, std::move(alone.problems));
    }
    return good;
}

} // namespace

QString describe(const RuleProblem &problem)
{
    const QString place = problem.line > 0
        ? QStringLiteral("%1:%2").arg(problem.file).arg(problem.line)
        : problem.file;
    const QString level = problem.level == RuleProblem::Level::Error ? QStringLiteral("error")
                                                                     : QStringLiteral("warning");
    return place.isEmpty() ? QStringLiteral("%1: %2").arg(level, problem.message)
                           : QStringLiteral("%1: %2: %3").arg(place, level, problem.message);
}

std::expected<CompiledRules, std::vector<RuleProblem>> compileRules(
    const QStringList &paths, const RuleOptions &options)
{
    initialiseYara();
    RuleFiles read = readRuleFiles(paths);
    std::vector<const RuleFile *> files;
    for (const RuleFile &file : read.files)
        files.push_back(&file);

    std::vector<RuleProblem> problems = std::move(read.problems);
    bool hasBadFiles = !problems.empty();
    Compilation together;
    RulesPointer rules = files.empty() ? nullptr : compile(files, together);
    if (!rules && !files.empty()) {
        hasBadFiles = true;
        const size_t before = problems.size();
        files = goodFiles(read.files, problems);
        if (problems.size() == before) // every file is good alone: only the whole is not
            append(problems, std::move(together.problems));
        together = {};
        if (options.badFiles == BadRuleFiles::Skip && !files.empty())
            rules = compile(files, together);
        if (rules)
            together.problems.clear(); // warnings: said once already, file by file
    }
    append(problems, std::move(together.problems));
    if (!rules || (hasBadFiles && options.badFiles == BadRuleFiles::Refuse))
        return std::unexpected(std::move(problems));

    const RuleSet::Description description{digestOf(files, together, options), int(files.size()),
        options.unratedSeverity, together.usesEntryPoint};
    std::shared_ptr<const RuleSet> others;
    // An included file would be read again, and may be another one by then than the digest is of.
    if (together.included.empty()) {
        if (RulesPointer reduced = compileReduced(files, int(rules->num_rules)))
            others = std::make_shared<const RuleSet>(reduced.release(), description);
    }
    auto set = std::make_shared<const RuleSet>(rules.release(), description, std::move(others));
    return CompiledRules{std::move(set), std::move(problems)};
}

} // namespace Sentinel
