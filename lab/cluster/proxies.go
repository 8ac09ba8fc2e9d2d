package cluster

import (
	"errors"

	"interlock/internal/servers"
	"interlock/lab/proxy"
)

// Proxy is one server's way to one member.
type Proxy struct {
	*proxy.Proxy
	Server *servers.Program
	Member *servers.SQLServer
}

// Proxies are every server's ways to the members that it knows, in a cluster that is Proxied.
func (c *Cluster) Proxies() []*Proxy {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]*Proxy(nil), c.proxies...)
}

// known are the members that servers are told of: all where a supervisor runs, the primary alone where none does.
func (c *Cluster) known() []*servers.SQLServer {
	if c.options.Supervisors == 0 {
		return []*servers.SQLServer{c.Primary}
	}
	return c.members.Servers
}

// DSNs are the data source names of the ledger at the members that servers are told of, without a proxy.
func (c *Cluster) DSNs() []string {
	var dsns []string
	for _, m := range c.known() {
		dsns = append(dsns, c.members.DSN(m, Database))
	}
	return dsns
}

// openProxies opens a server's ways to the members, and is the data source names that lead over them.
func (c *Cluster) openProxies() (proxies []*Proxy, dsns []string, err error) {
	if !c.options.Proxied {
		return nil, c.DSNs(), nil
	}
	for _, m := range c.known() {
		p, err := proxy.Open(m.Addr())
		if err != nil {
			return nil, nil, errors.Join(err, closeProxies(proxies))
		}
		proxies = append(proxies, &Proxy{Proxy: p, Member: m})
		dsns = append(dsns, dsn(p.Addr(), serverUser, c.members.secrets.database, Database))
	}
	return proxies, dsns, nil
}

func closeProxies(proxies []*Proxy) error {
	var errs []error
	for _, p := range proxies {
		errs = append(errs, p.Close())
	}
	return errors.Join(errs...)
}
