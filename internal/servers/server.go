package servers

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"sync"
)

// server is what servers of every kind have in common.
type server struct {
	binary Binary
	folder *folder
	port   int

	mu      sync.Mutex
	process *process // nil before the first start
}

// start runs the server's own program, unless it runs already, and returns once it is ready.
func (s *server) start(ctx context.Context, args []string, ready func(context.Context) error) error {
	return s.startCommand(ctx, s.binary.command(args...), ready)
}

// startCommand is start with the whole command given.
func (s *server) startCommand(ctx context.Context, cmd *exec.Cmd, ready func(context.Context) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.process != nil && s.process.running() {
		return nil
	}
	p, err := startProcess(cmd, s.LogPath())
	if err != nil {
		return err
	}
	s.process = p
	return p.await(ctx, ready)
}

// Version is the program's version, like "9.7.4".
func (s *server) Version() string { return s.binary.Version }

// Addr is the address the server listens on; it stays the same over every restart.
func (s *server) Addr() string { return address(s.port) }

// Port is the port of Addr.
func (s *server) Port() int { return s.port }

// LogPath is the file with everything the server has said, over all its starts.
func (s *server) LogPath() string { return s.folder.join("server.log") }

// Pid is the process id, also of a server that has ended.
func (s *server) Pid() int { return s.current().pid() }

// Done is closed when the server has ended, in any way. Each Start makes a new one.
func (s *server) Done() <-chan struct{} { return s.current().done }

// Signal sends a signal: SIGSTOP freezes a server, at some moment (see Freeze), and SIGCONT thaws it. To a server that
// has ended it does nothing.
func (s *server) Signal(sig os.Signal) error { return s.current().signal(sig) }

// Stop ends the server in order, and by force when that takes too long, which is an error.
func (s *server) Stop(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.process.stop(ctx)
}

// Kill ends the server as a crash would, and returns once it has ended.
func (s *server) Kill() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.process.kill()
}

// Close kills the server, and removes its folder if that was a temporary one.
func (s *server) Close() error { return errors.Join(s.Kill(), s.folder.close()) }

func (s *server) current() *process {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.process
}
