// SPDX-License-Identifier: MIT
#pragma once

#include <QtCore/qglobal.h>

#include <mutex>
#include <vector>

namespace Sentinel {

//! \brief Lends the memory that files are read into, and takes it back: to fill memory that is new
//! to the process costs seven times what filling used memory does.
//!
//! Every buffer has room for the largest file, as addresses: memory is behind those of its bytes
//! that a file has reached.
//!
//! Owner:  shared by the readers and the contents that were read.
//! Thread: any (locked).
//! Limits: as many buffers as are lent at the same time.
class ReadBuffers {
public:
    //! \p capacity: bytes of every buffer.
    explicit ReadBuffers(qint64 capacity);
    ~ReadBuffers();
    Q_DISABLE_COPY_MOVE(ReadBuffers)

    qint64 capacity() const { return m_capacity; }

    //! A buffer, to be given to takeBack(); null if memory is short.
    uchar *lend();
    void takeBack(uchar *buffer);

private:
    const qint64 m_capacity;
    std::mutex m_mutex;
    std::vector<uchar *> m_idle;
};

} // namespace Sentinel
