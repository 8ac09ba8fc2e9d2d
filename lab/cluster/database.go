package cluster

import (
	"context"
	"strings"
)

// BesideDSN is the data source name of a database beside the ledger's own, for what is measured against it.
func (c *Cluster) BesideDSN(name string) string { return c.DSN(Database + "_" + name) }

// DropBeside drops such a database.
func (c *Cluster) DropBeside(ctx context.Context, name string) error {
	primary, err := asRoot(c.Primary)
	if err != nil {
		return err
	}
	defer primary.close()
	return primary.do(ctx, "DROP DATABASE IF EXISTS `"+strings.ReplaceAll(Database+"_"+name, "`", "``")+"`")
}

// LockAddrs are the addresses of the lock nodes.
func (c *Cluster) LockAddrs() []string { return c.lockAddrs() }
