package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"

	"interlock/internal/servers"
	"interlock/lab/cluster"
)

// clusterFlags say which cluster to start.
type clusterFlags struct {
	Flavor    string `default:"mysql" enum:"mysql,mariadb" help:"The database: mysql or mariadb."`
	Interlock string `help:"A built interlock; without it, one is built." placeholder:"FILE" type:"existingfile"`
}

// start starts the cluster, with a built program where none is given; stop ends both.
func (f clusterFlags) start(ctx context.Context, servers int, log *slog.Logger) (c *cluster.Cluster, stop func() error, err error) {
	return f.startWith(ctx, cluster.Options{Servers: servers, Log: log})
}

// startWith is start with other options.
func (f clusterFlags) startWith(ctx context.Context, o cluster.Options) (c *cluster.Cluster, stop func() error, err error) {
	binary, removeBinary := f.Interlock, func() error { return nil }
	if binary == "" {
		folder, err := os.MkdirTemp("", "interlock-lab-")
		if err != nil {
			return nil, nil, err
		}
		removeBinary = func() error { return os.RemoveAll(folder) }
		o.Log.Info("building interlock")
		if binary, err = cluster.Build(ctx, folder); err != nil {
			return nil, nil, errors.Join(err, removeBinary())
		}
	}
	o.Flavor, o.Binary = f.flavor(), binary
	c, err = cluster.Start(ctx, o)
	if err != nil {
		return nil, nil, errors.Join(err, removeBinary())
	}
	return c, func() error { return errors.Join(c.Close(), removeBinary()) }, nil
}

func (f clusterFlags) flavor() servers.Flavor {
	if f.Flavor == "mariadb" {
		return servers.MariaDB
	}
	return servers.MySQL
}

type upCommand struct {
	clusterFlags
	Servers int  `default:"1" help:"How many interlock serve."`
	JSON    bool `name:"json" help:"Print the addresses as one JSON document."`
}

// Run runs a cluster until it is told to stop.
func (c upCommand) Run(ctx context.Context, log *slog.Logger, out io.Writer) error {
	up, stop, err := c.start(ctx, c.Servers, log)
	if err != nil {
		return err
	}
	addresses := up.Addresses()
	if c.JSON {
		err = json.NewEncoder(out).Encode(addresses)
	} else {
		_, err = fmt.Fprintf(out, "servers   %s\nprimary   %s (%s %s)\nreplicas  %s\nlocks     %s\ncache     %s\nmysql     %s\ntoken     %s\ndocument  %s\npersonal  %s\n",
			strings.Join(addresses.Servers, " "), addresses.Primary, addresses.Flavor, addresses.Version, strings.Join(addresses.Replicas, " "),
			strings.Join(addresses.Locks, " "), addresses.Cache, addresses.MySQL, addresses.TokenSecret, addresses.DocumentKey, addresses.PersonalDataKey)
	}
	if err == nil {
		<-ctx.Done()
		log.Info("stopping")
	}
	return errors.Join(err, stop())
}
