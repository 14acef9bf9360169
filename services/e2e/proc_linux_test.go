package e2e_test

import "syscall"

// dieWithParent makes the kernel end a process together with the test binary.
func dieWithParent() *syscall.SysProcAttr { return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }
