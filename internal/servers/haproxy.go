package servers

import (
	"context"
	"errors"
	"net"
	"os"
)

// FindHAProxy finds haproxy: first on PATH, then unpacked.
func FindHAProxy() (Binary, error) {
	return findBy("-v", "haproxy", "haproxy", "usr/sbin/haproxy", nil)
}

// HAProxyOptions says how to start a HAProxy.
type HAProxyOptions struct {
	// Config is its configuration.
	Config string
	// Env are the variables that the configuration has, like "NAME=value", once the address to listen on is known.
	// folder is where it runs.
	Env func(addr, folder string) []string
}

// HAProxy is a running HAProxy.
type HAProxy struct{ server }

// StartHAProxy starts a HAProxy in a temporary folder, which Close removes, and returns once it listens.
func StartHAProxy(ctx context.Context, o HAProxyOptions) (*HAProxy, error) {
	b, err := FindHAProxy()
	if err != nil {
		return nil, err
	}
	f, err := openFolder("")
	if err != nil {
		return nil, err
	}
	h := &HAProxy{server: server{binary: b, folder: f}}
	const file, private = "haproxy.cfg", 0o600
	if err := os.WriteFile(f.join(file), []byte(o.Config), private); err != nil {
		return nil, errors.Join(err, f.close())
	}
	err = startOnPort(0, func(port int) error {
		h.port = port
		// -db: in the foreground.
		cmd := b.command("-db", "-f", file)
		cmd.Dir = f.path
		cmd.Env = append(os.Environ(), o.Env(h.Addr(), f.path)...)
		return h.startCommand(ctx, cmd, func(ctx context.Context) error {
			conn, err := new(net.Dialer).DialContext(ctx, "tcp", h.Addr())
			if err != nil {
				return err
			}
			return conn.Close()
		})
	})
	if err != nil {
		return nil, errors.Join(err, f.close())
	}
	return h, nil
}

// Path is where a file of the folder is that it runs in.
func (h *HAProxy) Path(name string) string { return h.folder.join(name) }
