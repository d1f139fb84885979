// SPDX-License-Identifier: MIT
#pragma once

#include <QtCore/qglobal.h>

#include <cstdlib>
#include <memory>
#include <mutex>
#include <vector>

namespace Sentinel {

//! \brief A piece of memory with nothing in it.
struct ReadBuffer {
    struct Free {
        void operator()(uchar *bytes) const { std::free(bytes); }
    };
    std::unique_ptr<uchar, Free> bytes; //!< null: memory is short
    qint64 capacity = 0;
};

//! \brief Lends the memory that files are read into, and takes it back: to fill memory that is new
//! to the process costs seven times what filling used memory does.
//!
//! Owner:  shared by the readers and the contents that were read.
//! Thread: any (locked).
//! Limits: at most as many idle buffers as it was made for, none larger than what was asked for.
class ReadBuffers {
public:
    explicit ReadBuffers(int maxIdle);
    Q_DISABLE_COPY_MOVE(ReadBuffers)

    //! A buffer of at least \p capacity bytes.
    ReadBuffer lend(qint64 capacity);
    void takeBack(ReadBuffer buffer);

private:
    const int m_maxIdle;
    std::mutex m_mutex;
    std::vector<ReadBuffer> m_idle; // by capacity
};

} // namespace Sentinel
