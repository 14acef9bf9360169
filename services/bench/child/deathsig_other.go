//go:build !linux

package child

import "syscall"

// dieWithParent exists on Linux only. Elsewhere processes that read their input notice that it ended; others stay behind.
func dieWithParent() *syscall.SysProcAttr { return nil }
