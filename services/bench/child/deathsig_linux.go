package child

import "syscall"

// dieWithParent has the kernel kill a process when the thread that started it ends, and so also when this process is killed.
func dieWithParent() *syscall.SysProcAttr { return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }
