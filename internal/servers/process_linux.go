package servers

import "syscall"

// attributes puts a server into a process group of its own, so that Ctrl-C on a terminal reaches only the program that
// knows in which order to end things, and lets the kernel kill the server when its parent dies without having done so.
func attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
