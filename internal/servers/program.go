package servers

import (
	"context"
	"errors"
	"os"
	"os/exec"
)

// ProgramOptions says how to start a server that is no database: one of ours, on one port.
type ProgramOptions struct {
	// Path is the program.
	Path string
	// Folder is where the program runs and keeps its log. Empty: a temporary folder, which Close removes.
	Folder string
	// Port is the port to listen on; 0: a free one.
	Port int
	// Args are the program's arguments once its address is known.
	Args func(addr string) []string
	// Env are variables like "NAME=value" besides those of this process. What other users must not see goes here and
	// not into Args, which every user of the machine can read.
	Env []string
	// Ready is nil once the program serves at addr.
	Ready func(ctx context.Context, addr string) error
}

// Program is a running program of ours.
type Program struct {
	server
	options ProgramOptions
}

// StartProgram starts a program and returns once it is ready.
func StartProgram(ctx context.Context, o ProgramOptions) (*Program, error) {
	f, err := openFolder(o.Folder)
	if err != nil {
		return nil, err
	}
	p := &Program{server: server{binary: Binary{Path: o.Path}, folder: f}, options: o}
	err = startOnPort(o.Port, func(port int) error {
		p.port = port
		return p.Start(ctx)
	})
	if err != nil {
		return nil, errors.Join(err, f.close())
	}
	return p, nil
}

// Path is where a file of the folder is that the program runs in.
func (p *Program) Path(name string) string { return p.folder.join(name) }

// Start starts a program that was stopped or killed again, in the same folder and on the same address, and returns once
// it is ready. A running one is left alone.
func (p *Program) Start(ctx context.Context) error {
	cmd := exec.Command(p.options.Path, p.options.Args(p.Addr())...)
	cmd.Dir = p.folder.path
	cmd.Env = append(os.Environ(), p.options.Env...)
	return p.startCommand(ctx, cmd, func(ctx context.Context) error { return p.options.Ready(ctx, p.Addr()) })
}
