package servers

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// freezePoll is how often Freeze looks whether the server stands still.
const freezePoll = time.Millisecond

// Freeze stops the server as SIGSTOP does, and returns once all of its threads stand still: they stop one after the
// other, and the last ones may answer meanwhile. Signal with SIGCONT thaws it. When ctx ends before, it is thawed and
// the error says so. Where the system does not tell what threads do, Freeze does not wait.
func (s *server) Freeze(ctx context.Context) error {
	if err := s.Signal(syscall.SIGSTOP); err != nil {
		return err
	}
	tick := time.NewTicker(freezePoll)
	defer tick.Stop()
	for {
		still, err := standsStill(s.Pid())
		if err != nil {
			return errors.Join(err, s.Signal(syscall.SIGCONT))
		}
		if still {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return errors.Join(fmt.Errorf("it does not stand still: %w", ctx.Err()), s.Signal(syscall.SIGCONT))
		}
	}
}

// standsStill tells whether no thread of a process runs. It is true of a process that does not exist.
func standsStill(pid int) (bool, error) {
	stats, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", pid))
	if err != nil {
		return false, err
	}
	for _, path := range stats {
		stat, err := os.ReadFile(path)
		switch {
		case errors.Is(err, os.ErrNotExist), errors.Is(err, syscall.ESRCH): // the thread has ended
			continue
		case err != nil:
			return false, err
		}
		// "7 (name) T …", see proc(5): T is stopped. A name may have anything in it.
		if _, state, ok := bytes.Cut(stat[bytes.LastIndexByte(stat, ')')+1:], []byte(" ")); !ok || state[0] != 'T' {
			return false, nil
		}
	}
	return true, nil
}
