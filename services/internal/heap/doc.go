// Package heap lets a heap that is small grow by a fixed amount before it is collected, instead of by its own size.
//
// A server that serves little has a small heap; the collector, which by itself waits for it to double, then runs tens of times a second as
// soon as requests come, and costs a tenth of the processor and more. With [Spare] it waits until the heap has grown by so many bytes, or
// has doubled, whichever is more: a process has at most that much more memory, and a large heap none.
//
// It owns GOGC of the process while it is in use. It does not decide whether it is used, or how much is spared: app does. A memory limit
// (GOMEMLIMIT) holds all the same, as the runtime puts it before GOGC.
package heap
