//go:build !linux

package servers

import "syscall"

// attributes puts a server into a process group of its own, so that Ctrl-C on a terminal reaches only the program that
// knows in which order to end things.
func attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true}
}
