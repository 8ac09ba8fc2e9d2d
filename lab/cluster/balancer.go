package cluster

import (
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"strings"
	"time"

	"interlock/deploy"
	"interlock/internal/pause"
	"interlock/internal/servers"
	"interlock/lab/proxy"
)

// Balancer is the HAProxy in front of the servers.
type Balancer struct {
	*servers.HAProxy
	// Ways lead from it to each server, in a cluster that is Proxied.
	Ways []*proxy.Proxy
}

const (
	// maxBalanced is how many servers its configuration has room for.
	maxBalanced = 4
	// balancerSocket is where it is asked how the servers stand, in its own folder.
	balancerSocket = "haproxy.sock"
	// balancerTimeout bounds a question, balancerPoll is the pause between two.
	balancerTimeout = 5 * time.Second
	balancerPoll    = 50 * time.Millisecond
)

// Balancer is the HAProxy in front of the servers; nil in a cluster without.
func (c *Cluster) Balancer() *Balancer { return c.balancer }

// startBalancer starts the HAProxy, if there is to be one, and returns once it has found every server to be well.
func (c *Cluster) startBalancer(ctx context.Context) (err error) {
	if !c.options.Balanced {
		return nil
	}
	all := c.Servers()
	if len(all) > maxBalanced {
		return fmt.Errorf("%d servers are more than the %d of deploy/haproxy.cfg", len(all), maxBalanced)
	}
	c.balancer = &Balancer{}
	var env []string
	for i, s := range all {
		addr := s.Addr()
		if c.options.Proxied {
			way, err := proxy.Open(addr)
			if err != nil {
				return err
			}
			c.balancer.Ways = append(c.balancer.Ways, way)
			addr = way.Addr()
		}
		env = append(env, fmt.Sprintf("INTERLOCK_SERVER_%d=%s", i+1, addr))
	}
	c.balancer.HAProxy, err = servers.StartHAProxy(ctx, servers.HAProxyOptions{
		Config: deploy.HAProxy, Env: func(addr, folder string) []string {
			return append(env, "INTERLOCK_BALANCER="+addr, "INTERLOCK_BALANCER_SOCKET="+filepath.Join(folder, balancerSocket))
		},
	})
	if err != nil {
		return fmt.Errorf("haproxy: %w", err)
	}
	for n := range all {
		if err := c.balancer.Await(ctx, n, true); err != nil {
			return err
		}
	}
	return nil
}

// Await waits until the balancer takes the n-th server for well, or until it leaves the server out.
func (b *Balancer) Await(ctx context.Context, n int, well bool) error {
	want := "DOWN"
	if well {
		want = "UP"
	}
	for {
		status, err := b.status(ctx, n)
		if err != nil || status == want {
			return err
		}
		if !pause.For(ctx, balancerPoll) {
			return fmt.Errorf("server %d is not %s, but %q: %w", n+1, want, status, ctx.Err())
		}
	}
}

// status is how the balancer takes the n-th server: UP, DOWN, something on the way from one to the other, or "" before
// the first look.
func (b *Balancer) status(ctx context.Context, n int) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, balancerTimeout)
	defer cancel()
	conn, err := new(net.Dialer).DialContext(ctx, "unix", b.Path(balancerSocket))
	if err != nil {
		return "", err
	}
	defer conn.Close()
	if deadline, ok := ctx.Deadline(); ok {
		_ = conn.SetDeadline(deadline) // It fails where the connection has ended.
	}
	if _, err := io.WriteString(conn, "show stat\n"); err != nil {
		return "", err
	}
	const maxStat = 1 << 20
	rows, err := csv.NewReader(io.LimitReader(conn, maxStat)).ReadAll()
	if err != nil || len(rows) == 0 {
		return "", errors.Join(errors.New("the balancer does not say how servers stand"), err)
	}
	column := map[string]int{}
	for i, name := range rows[0] {
		column[strings.TrimPrefix(name, "# ")] = i
	}
	for _, row := range rows[1:] {
		if row[column["pxname"]] != "requests" || row[column["svname"]] != fmt.Sprint("s", n+1) {
			continue
		}
		if row[column["check_status"]] == "INI" {
			return "", nil // It says UP before the first look, too.
		}
		return row[column["status"]], nil
	}
	return "", fmt.Errorf("the balancer has no server %d", n+1)
}

func (b *Balancer) close() error {
	if b == nil {
		return nil
	}
	var errs []error
	if b.HAProxy != nil {
		errs = append(errs, b.HAProxy.Close())
	}
	for _, way := range b.Ways {
		errs = append(errs, way.Close())
	}
	return errors.Join(errs...)
}
