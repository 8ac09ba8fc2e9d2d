package servers

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
)

// onSmallDisk lets a command run where a folder is a file system of its own in memory, of so many bytes. Other
// processes do not see it, and it ends with the command's processes. That is a mount namespace, in a user's own
// namespace where the user is not root. unshare is util-linux's, and Linux only.
func onSmallDisk(cmd *exec.Cmd, folder string, bytes int64) *exec.Cmd {
	args := []string{"--mount"}
	if os.Geteuid() != 0 {
		args = append(args, "--user", "--map-root-user")
	}
	const script = `mount -t tmpfs -o "size=$1" tmpfs "$2" && shift 2 && exec setpriv --pdeathsig KILL "$@"`
	args = append(args, "sh", "-c", script, "sh", strconv.FormatInt(bytes, 10), folder, cmd.Path)
	return exec.Command("unshare", append(args, cmd.Args[1:]...)...)
}

// SmallDisk is the disk that a server's binary log is on. To fill it harms no other process.
type SmallDisk struct{ folder string }

// SmallDisk is the small disk of a running server that was started with one.
func (s *SQLServer) SmallDisk() (SmallDisk, error) {
	if s.small == 0 {
		return SmallDisk{}, fmt.Errorf("%s has no disk of its own", s.Addr())
	}
	// The way into another process's namespace.
	return SmallDisk{filepath.Join("/proc", strconv.Itoa(s.Pid()), "root", s.smallFolder())}, nil
}

// filler takes what room there is on a small disk; fillBlock is how much of it at a time.
const (
	filler    = "filler"
	fillBlock = 4096
)

// Fill takes all the room that there is.
func (d SmallDisk) Fill() error {
	file, err := os.OpenFile(filepath.Join(d.folder, filler), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return err
	}
	for block := make([]byte, fillBlock); err == nil; {
		_, err = file.Write(block)
	}
	if errors.Is(err, syscall.ENOSPC) {
		err = nil
	}
	return errors.Join(err, file.Close())
}

// Free gives the room back.
func (d SmallDisk) Free() error { return os.Remove(filepath.Join(d.folder, filler)) }
