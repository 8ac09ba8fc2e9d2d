package servers

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"time"
)

// stopSeconds is how long a server may take over an orderly end. A MySQL that flushes a large buffer pool on a slow
// disk needs a few seconds; one that hangs must not hang the tests.
const stopSeconds = 20

// process is a running program that dies with its parent.
type process struct {
	cmd      *exec.Cmd
	done     chan struct{} // closed once the program has ended and was waited for
	logPath  string
	logStart int64 // where in the log this run begins
}

// startProcess starts cmd, with both its outputs appended to the file at logPath.
func startProcess(cmd *exec.Cmd, logPath string) (*process, error) {
	log, err := os.OpenFile(logPath, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, err
	}
	defer log.Close() // the program has its own copy
	info, err := log.Stat()
	if err != nil {
		return nil, err
	}
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = attributes()

	p := &process{cmd: cmd, done: make(chan struct{}), logPath: logPath, logStart: info.Size()}
	started := make(chan error)
	go func() {
		// The kernel ties "kill it when its parent dies" to the thread that started it, so that thread must live as
		// long as the program does. It is never unlocked: it ends with this goroutine.
		runtime.LockOSThread()
		defer close(p.done)
		err := cmd.Start()
		started <- err
		if err == nil {
			_ = cmd.Wait() // how it ended is in ProcessState
		}
	}()
	return p, <-started
}

func (p *process) pid() int { return p.cmd.Process.Pid }

func (p *process) running() bool {
	select {
	case <-p.done:
		return false
	default:
		return true
	}
}

// signal sends sig; to a program that has ended it does nothing.
func (p *process) signal(sig os.Signal) error {
	if err := p.cmd.Process.Signal(sig); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("signal %v to %d: %w", sig, p.pid(), err)
	}
	return nil
}

// stop ends the program in order, and by force when that takes longer than ctx or stopSeconds allow; being forced is an
// error.
func (p *process) stop(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, stopSeconds*time.Second)
	defer cancel()
	if err := p.signal(syscall.SIGTERM); err != nil {
		return err
	}
	select {
	case <-p.done:
		return nil
	case <-ctx.Done():
		if err := p.kill(); err != nil {
			return err
		}
		return fmt.Errorf("process %d did not end when asked to and was killed: %w", p.pid(), ctx.Err())
	}
}

// kill ends the program at once and waits until it has ended.
func (p *process) kill() error {
	if err := p.signal(syscall.SIGKILL); err != nil {
		return err
	}
	<-p.done
	return nil
}

// errPortTaken tells that another process has the port.
var errPortTaken = errors.New("is taken")

// startSeconds is how long a server may take until it answers. A MySQL that starts on a machine ten times overloaded
// takes about 50; one that fails says so by ending.
const startSeconds = 180

// pollMilliseconds is how often a starting server is asked. A Redis is there in some 10 ms, a MySQL in a second or two.
const pollMilliseconds = 10

// await polls ready until it returns nil. It gives up when the program ends, when ctx ends, or when startSeconds are
// over. Then it kills the program, and the error has the end of the log.
func (p *process) await(ctx context.Context, ready func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, startSeconds*time.Second)
	defer cancel()
	ticker := time.NewTicker(pollMilliseconds * time.Millisecond)
	defer ticker.Stop()

	last := errors.New("not asked yet")
	for {
		select {
		case <-p.done:
			tail := p.logTail()
			if strings.Contains(tail, "ddress already in use") {
				return errPortTaken
			}
			return fmt.Errorf("%s ended while starting (%s); the end of its log:\n%s",
				p.cmd.Path, p.cmd.ProcessState, tail)
		case <-ctx.Done():
			if err := p.kill(); err != nil {
				return err
			}
			return fmt.Errorf("%s did not become ready (%w; at last: %w); the end of its log:\n%s",
				p.cmd.Path, ctx.Err(), last, p.logTail())
		case <-ticker.C:
			err := ready(ctx)
			if err == nil {
				return nil
			}
			if ctx.Err() == nil { // else it only says that time is up
				last = err
			}
		}
	}
}

// logTailBytes is enough for the last few dozen lines, among which servers name their trouble.
const logTailBytes = 4096

// logTail returns the end of what this run has logged, or why it cannot be had, for an error message.
func (p *process) logTail() string {
	log, err := os.ReadFile(p.logPath)
	if err != nil {
		return err.Error()
	}
	log = log[min(p.logStart, int64(len(log))):]
	if len(log) > logTailBytes {
		log = log[len(log)-logTailBytes:]
	}
	return strings.TrimSpace(string(log))
}
