package servers

import "syscall"

// attributes puts a server into a process group of its own: Ctrl-C on a terminal reaches only the program that knows in
// which order to end things. The kernel kills the server when its parent dies.
func attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
