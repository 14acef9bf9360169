//go:build !linux

package sqltest

import "syscall"

// dieWithParent does nothing: only Linux can do it. A server survives a test binary that was killed.
func dieWithParent(*syscall.SysProcAttr) {}
