// SPDX-License-Identifier: MIT
#pragma once

#include "SecurityTap/SecurityTapExport.h"

#include <QByteArrayView>

#include <optional>
#include <vector>

namespace Sentinel {

//! \brief One word of a rule text.
struct RuleToken {
    enum class Kind : quint8 {
        Word, //!< keyword, identifier or number
        Variable, //!< $a, #a, @a, !a, and what follows them
        Text, //!< "text", with its quotes
        Pattern, //!< a regular expression or a hex string
        Mark, //!< one or two characters: == ( ) { } : ...
    };
    Kind kind = Kind::Mark;
    QByteArrayView text; //!< a piece of the rule text

    bool is(const char *word) const { return kind != Kind::Text && text == word; }
};

//! \brief The words of \p text without its comments; nothing if it is no rule text, or has words
//! that only the compiler can tell apart. \p text must outlive them. The language:
//! https://yara.readthedocs.io/en/v4.2.3/writingrules.html
SECURITYTAP_EXPORT std::optional<std::vector<RuleToken>> ruleTokens(QByteArrayView text);

} // namespace Sentinel
