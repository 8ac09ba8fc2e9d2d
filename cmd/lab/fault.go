package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"time"

	"interlock/cmd/lab/cluster"
	"interlock/cmd/lab/fault"
)

type faultCommand struct {
	clusterFlags
	Name  string `arg:"" help:"The fault, \"overlap\" for up to three at once, \"all\", or \"23B\" for what happens without protection."`
	JSON  bool   `name:"json" help:"Print one JSON document a line."`
	Seed  uint64 `default:"1" help:"Chooses victims, moments, and what people want."`
	Seeds int    `default:"1" help:"For all: how many seeds, from 1 on."`
}

const (
	// faultLimit is what one fault may take with its cluster, faultsLimit what all may take for each seed.
	faultLimit  = 5 * time.Minute
	faultsLimit = 25 * time.Minute
	// everyFault is the name of all of them.
	everyFault = "all"
)

// Run plays one fault or all, and prints a line of each.
func (c faultCommand) Run(ctx context.Context, log *slog.Logger, out io.Writer) (err error) {
	limit, one := faultLimit, fault.Fault{}
	if c.Name == everyFault {
		limit = time.Duration(max(c.Seeds, 1)) * faultsLimit
	} else if c.Name != fault.Story {
		if one, err = fault.Find(c.Name, c.Seed); err != nil {
			return err
		}
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	binary, removeBinary, err := c.binary(ctx, log)
	if err != nil {
		return err
	}
	stage := &fault.Stage{Log: log, Start: func(ctx context.Context, s fault.Shape) (*cluster.Cluster, error) {
		var args []string
		if s.Unprotected {
			args = []string{"--durability", "local"}
		}
		return cluster.Start(ctx, cluster.Options{
			ServerArgs: args, Flavor: c.flavor(), Servers: s.Servers, Binary: binary, LockNodes: s.LockNodes, LocksApart: s.LocksApart, Guards: s.Guards,
			Linked: s.Linked, Hold: s.Hold, Log: log,
		})
	}}
	defer func() { err = errors.Join(err, stage.Close(), removeBinary()) }()
	ok := false
	switch c.Name {
	case everyFault:
		ok, err = fault.All(ctx, stage, c.Seeds, func(line *fault.Line) error { return c.tell(out, line) })
	case fault.Story:
		ok, err = c.story(ctx, stage, out)
	default:
		line := stage.Play(ctx, one, c.Seed)
		if line.Skipped != "" {
			return errors.Join(c.tell(out, line), fmt.Errorf("%s cannot be injected: %s", line.Name, line.Skipped))
		}
		ok, err = line.OK, c.tell(out, line)
	}
	if err == nil && !ok {
		err = errFound
	}
	return err
}

// story tells what happens without protection, step by step.
func (c faultCommand) story(ctx context.Context, stage *fault.Stage, out io.Writer) (bool, error) {
	step := 0
	line, err := fault.TellUnprotected(ctx, stage, func(said string) {
		if step++; !c.JSON {
			fmt.Fprintf(out, "%d. %s\n", step, said)
		}
	})
	if err != nil || !c.JSON {
		return err == nil, err
	}
	return line.OK, c.tell(out, line)
}

func (c faultCommand) tell(out io.Writer, line *fault.Line) error {
	if c.JSON {
		return json.NewEncoder(out).Encode(line)
	}
	_, err := io.WriteString(out, line.Text())
	return err
}

// binary is the program that the clusters run; one is built where none is given.
func (c faultCommand) binary(ctx context.Context, log *slog.Logger) (path string, remove func() error, err error) {
	if c.Interlock != "" {
		return c.Interlock, func() error { return nil }, nil
	}
	folder, err := os.MkdirTemp("", "interlock-lab-")
	if err != nil {
		return "", nil, err
	}
	remove = func() error { return os.RemoveAll(folder) }
	log.Info("building interlock")
	if path, err = cluster.Build(ctx, folder); err != nil {
		return "", nil, errors.Join(err, remove())
	}
	return path, remove, nil
}
