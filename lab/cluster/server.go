package cluster

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"interlock/cmd/interlock/failpoints"
	"interlock/internal/servers"
)

const (
	// readyTimeout bounds one question whether a server is ready; its own checks take two seconds at most.
	readyTimeout = 3 * time.Second
	// hold is far longer than any measurement: an order that expires while it is counted would look lost.
	hold = 12 * time.Hour
	// balancedDrain is longer than the balancer takes until it leaves a server out.
	balancedDrain = 4 * time.Second
	// stopTimeout is more than a server drains, and the twelve seconds that it gives its requests.
	stopTimeout = 20 * time.Second
)

// ServerOptions are what one server is told besides what all servers are told.
type ServerOptions struct {
	// Args and Env go before what all servers are told.
	Args, Env []string
}

// AddServer starts one more `interlock serve` and returns once it is ready.
func (c *Cluster) AddServer(ctx context.Context) (*servers.Program, error) {
	return c.AddServerWith(ctx, ServerOptions{})
}

// AddServerWith is AddServer for a server that is told something of its own.
func (c *Cluster) AddServerWith(ctx context.Context, o ServerOptions) (*servers.Program, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	locks := c.lockAddrs()
	if c.options.LocksApart {
		var err error
		if locks, err = c.lockApart(ctx); err != nil {
			return nil, err
		}
	}
	proxies, dsns, err := c.openProxies()
	if err != nil {
		return nil, err
	}
	server, err := servers.StartProgram(ctx, servers.ProgramOptions{
		Path: c.options.Binary, Ready: Ready,
		Env:  slices.Concat(c.serverEnv(dsns), c.faultEnv(len(c.servers)), o.Env),
		Args: func(addr string) []string { return append(c.serverArgs(addr, locks), o.Args...) },
	})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("interlock serve: %w", err), closeProxies(proxies))
	}
	for _, p := range proxies {
		p.Server = server
	}
	c.proxies = append(c.proxies, proxies...)
	c.servers = append(c.servers, server)
	return server, nil
}

// RemoveServer ends a server in order.
func (c *Cluster) RemoveServer(server *servers.Program) error {
	c.mu.Lock()
	c.servers = slices.DeleteFunc(c.servers, func(s *servers.Program) bool { return s == server })
	c.mu.Unlock()
	return stop(server)
}

func stop(server *servers.Program) error {
	ctx, cancel := context.WithTimeout(context.Background(), stopTimeout)
	defer cancel()
	return errors.Join(server.Stop(ctx), server.Close())
}

// Servers are the servers that run.
func (c *Cluster) Servers() []*servers.Program {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.servers)
}

// lockApart starts lock nodes for one server alone. The caller holds the lock.
func (c *Cluster) lockApart(ctx context.Context) ([]string, error) {
	var addrs []string
	for range c.options.LockNodes {
		node, err := servers.StartRedis(ctx, servers.RedisOptions{})
		if err != nil {
			return nil, err
		}
		c.apart, addrs = append(c.apart, node), append(addrs, node.Addr())
	}
	return addrs, nil
}

// Crowd are the arguments of a server whose subscribers, thousands without a token, all come from this machine.
func Crowd() []string {
	return []string{"--max-streams-per-address", "100000", "--max-watched-per-address", "1000000"}
}

func (c *Cluster) serverArgs(addr string, locks []string) []string {
	args := []string{
		"serve", "--listen", addr, "--durability", "replicated", "--hold", c.options.Hold.String(),
		"--redis", c.Cache.Addr(), "--lock-redis", strings.Join(locks, ","), "--log-level", "WARN",
	}
	args = append(args, c.payArgs()...)
	args = append(args, c.notifyArgs(len(c.servers) == 0)...)
	if c.options.MessagesApart {
		args = append(args, "--messages", c.Messages.Addr())
	}
	quotas := []string{"off"} // A few of the lab's buyers are as many people.
	if len(c.options.Quotas) > 0 {
		quotas = c.options.Quotas
	}
	args = append(args, "--quotas", strings.Join(quotas, ","))
	if c.options.Balanced {
		args = append(args, "--trusted-proxies", "127.0.0.1", "--insecure-development-tokens",
			"--insecure-sandbox-payments", "--drain", balancedDrain.String())
	}
	if !c.options.Strict {
		args = append(args, Crowd()...)
	}
	if c.options.Unlimited {
		// High, and not off: what they cost is a part of what is measured and broken.
		for _, limit := range []string{"--max-run-holds", "--max-open-holds", "--max-lapsed-holds", "--max-documents"} {
			args = append(args, limit, "1000000")
		}
	}
	return args
}

func (c *Cluster) serverEnv(dsns []string) []string {
	return []string{
		"INTERLOCK_MYSQL=" + strings.Join(dsns, ","),
		"INTERLOCK_TOKEN_SECRET=" + c.secrets.token,
		"INTERLOCK_DOCUMENT_KEY=" + c.secrets.document,
		"INTERLOCK_PERSONAL_DATA_KEYS=" + c.secrets.personal,
	}
}

// controlFile is the socket at which a server holds batches, in the server's own folder.
const controlFile = "control"

// faultEnv are the variables by which the n-th server is broken.
func (c *Cluster) faultEnv(n int) []string {
	var env []string
	if c.options.Breakable {
		env = append(env, failpoints.ControlVariable+"="+controlFile)
	}
	if c.options.AnyVersion {
		env = append(env, failpoints.VersionCheckVariable+"="+failpoints.VersionCheckOff)
	}
	if c.options.Asynchronous {
		env = append(env, failpoints.ReplicationVariable+"="+failpoints.ReplicationAssumed)
	}
	if off := c.options.ClocksApart; off != 0 {
		if n%2 == 1 {
			off = -off
		}
		env = append(env, failpoints.ClockVariable+"="+off.String())
	}
	return env
}

// Control is where a server of a Breakable cluster is asked to hold a batch, with failpoints.Hold; or one of its
// consumers to hold an event.
func (c *Cluster) Control(server *servers.Program) string { return server.Path(controlFile) }

// Ready is nil when the server at addr is ready to sell, else what it says it waits for.
func Ready(ctx context.Context, addr string) error {
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+addr+"/readyz", nil)
	if err != nil {
		return err
	}
	request.Close = true // asked once in a while: an idle connection would only be in the way
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	said, err := io.ReadAll(io.LimitReader(response.Body, 1<<16))
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("not ready: %s", said)
	}
	return err
}
