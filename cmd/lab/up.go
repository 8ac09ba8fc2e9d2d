package main

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"os"
	"strings"
	"text/tabwriter"

	"interlock/internal/servers"
	"interlock/lab/cluster"
)

// clusterFlags say which cluster to start.
type clusterFlags struct {
	Flavor    string `default:"mysql" enum:"mysql,mariadb" help:"The database: mysql or mariadb."`
	Interlock string `help:"A built interlock; without it, one is built." placeholder:"FILE" type:"existingfile"`
}

// start starts a cluster of the flags' flavor and program. stop ends both.
func (f clusterFlags) start(
	ctx context.Context, o cluster.Options,
) (c *cluster.Cluster, stop func() error, err error) {
	binary, removeBinary, err := f.program(ctx, o.Log)
	if err != nil {
		return nil, nil, err
	}
	o.Flavor, o.Binary = f.flavor(), binary
	c, err = cluster.Start(ctx, o)
	if err != nil {
		return nil, nil, errors.Join(err, removeBinary())
	}
	return c, func() error { return errors.Join(c.Close(), removeBinary()) }, nil
}

// program is the interlock that the cluster runs. Without the flag one is built with these tags, until remove is
// called.
func (f clusterFlags) program(
	ctx context.Context, log *slog.Logger, tags ...string,
) (path string, remove func() error, err error) {
	if f.Interlock != "" {
		return f.Interlock, func() error { return nil }, nil
	}
	folder, err := os.MkdirTemp("", "interlock-lab-")
	if err != nil {
		return "", nil, err
	}
	remove = func() error { return os.RemoveAll(folder) }
	log.Info("building interlock")
	if path, err = cluster.Build(ctx, folder, tags...); err != nil {
		return "", nil, errors.Join(err, remove())
	}
	return path, remove, nil
}

func (f clusterFlags) flavor() servers.Flavor {
	if f.Flavor == "mariadb" {
		return servers.MariaDB
	}
	return servers.MySQL
}

type upCommand struct {
	clusterFlags
	Servers  int  `default:"1" help:"How many interlock serve."`
	Balanced bool `help:"Put HAProxy in front of them, as deploy/haproxy.cfg says: at most four, at least two."`
	JSON     bool `name:"json" help:"Print the addresses as one JSON document."`
}

// Run runs a cluster until it is told to stop.
func (c upCommand) Run(ctx context.Context, log *slog.Logger, out io.Writer) error {
	if c.Balanced {
		c.Servers = max(c.Servers, 2)
	}
	up, stop, err := c.start(ctx, cluster.Options{
		Servers: c.Servers, Balanced: c.Balanced, Quotas: cluster.UsualQuotas, Log: log,
	})
	if err != nil {
		return err
	}
	if c.JSON {
		err = json.NewEncoder(out).Encode(up.Addresses())
	} else {
		err = list(out, up.Addresses())
	}
	if err == nil {
		<-ctx.Done()
		log.Info("stopping")
	}
	return errors.Join(err, stop())
}

// list prints the addresses for people.
func list(out io.Writer, a cluster.Addresses) error {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, row := range [][2]string{
		{"balancer", a.Balancer},
		{"servers", strings.Join(a.Servers, " ")},
		{"primary", a.Primary + " (" + a.Flavor + " " + a.Version + ")"},
		{"replicas", strings.Join(a.Replicas, " ")},
		{"locks", strings.Join(a.Locks, " ")},
		{"cache", a.Cache},
		{"mysql", a.MySQL},
		{"token", a.TokenSecret},
		{"document", a.DocumentKey},
		{"personal", a.PersonalDataKey},
	} {
		if row[1] == "" {
			continue
		}
		if _, err := io.WriteString(table, row[0]+"\t"+row[1]+"\n"); err != nil {
			return err
		}
	}
	return table.Flush()
}
