//go:build !linux

package e2e_test

import "syscall"

// dieWithParent exists on Linux only; elsewhere a test binary that is killed leaves its processes behind.
func dieWithParent() *syscall.SysProcAttr { return nil }
