package sqltest

import "syscall"

// dieWithParent has the kernel end the process when the thread that started it ends, and so also when this process is
// killed. Therefore the starting goroutine must keep its thread.
func dieWithParent(attr *syscall.SysProcAttr) { attr.Pdeathsig = syscall.SIGQUIT }
