package cluster

import (
	"errors"

	"interlock/internal/servers"
	"interlock/lab/proxy"
)

// Link is one server's way to one member.
type Link struct {
	*proxy.Link
	Server *servers.Program
	Member *servers.SQLServer
}

// Links are every server's ways to the members that it knows; none where the cluster is not Linked.
func (c *Cluster) Links() []*Link {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]*Link(nil), c.links...)
}

// known are the members that servers are told of: all where a supervisor runs, the primary alone where none does.
func (c *Cluster) known() []*servers.SQLServer {
	if c.options.Supervisors == 0 {
		return []*servers.SQLServer{c.Primary}
	}
	return c.members.Servers
}

// DSNs are the data source names of the ledger at the members that servers are told of, without a link.
func (c *Cluster) DSNs() []string {
	var dsns []string
	for _, m := range c.known() {
		dsns = append(dsns, c.members.DSN(m, Database))
	}
	return dsns
}

// openLinks opens a server's ways to the members, and is the data source names that lead over them.
func (c *Cluster) openLinks() (links []*Link, dsns []string, err error) {
	if !c.options.Linked {
		return nil, c.DSNs(), nil
	}
	for _, m := range c.known() {
		l, err := proxy.Open(m.Addr())
		if err != nil {
			return nil, nil, errors.Join(err, closeLinks(links))
		}
		links = append(links, &Link{Link: l, Member: m})
		dsns = append(dsns, dsn(l.Addr(), serverUser, c.members.secrets.database, Database))
	}
	return links, dsns, nil
}

func closeLinks(links []*Link) error {
	var errs []error
	for _, l := range links {
		errs = append(errs, l.Close())
	}
	return errors.Join(errs...)
}
