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

	"interlock/lab/cluster"
	"interlock/lab/fault"
)

type faultCommand struct {
	clusterFlags
	Name   string `arg:"" help:"The fault, \"overlap\" for up to three at once, \"all\", or \"23B\" for the demo, without protection and with it."`
	JSON   bool   `name:"json" help:"Print one JSON document a line."`
	Seed   uint64 `default:"1" help:"Chooses victims, moments, and what people want."`
	Seeds  int    `default:"1" help:"For all: how many seeds, from 1 on."`
	Buyers int    `default:"0" help:"For one fault: how many buy, instead of two dozen."`
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
	} else if c.Name != fault.Demo {
		if one, err = fault.Find(c.Name, c.Seed); err != nil {
			return err
		}
		one.Buyers = c.Buyers
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	binary, removeBinary, err := c.binary(ctx, log)
	if err != nil {
		return err
	}
	stage := &fault.Stage{Log: log, Start: func(ctx context.Context, s fault.Shape) (*cluster.Cluster, error) {
		o := s.Options()
		o.Flavor, o.Binary, o.Log = c.flavor(), binary, log
		return cluster.Start(ctx, o)
	}}
	defer func() { err = errors.Join(err, stage.Close(), removeBinary()) }()
	ok := false
	switch c.Name {
	case everyFault:
		ok, err = fault.All(ctx, stage, c.Seeds, func(result *fault.Result) error { return c.tell(out, result) })
	case fault.Demo:
		ok, err = c.demo(ctx, stage, out)
	default:
		result := stage.Play(ctx, one, c.Seed)
		ok, err = result.OK, c.tell(out, result)
	}
	if err == nil && !ok {
		err = errFound
	}
	return err
}

// demo tells what happens without protection, and then with it, step by step.
func (c faultCommand) demo(ctx context.Context, stage *fault.Stage, out io.Writer) (ok bool, err error) {
	for _, showing := range []struct {
		heading string
		tell    func(context.Context, *fault.Stage, fault.Say) (*fault.Result, error)
	}{{"Without protection", fault.DemoUnprotected}, {"With protection", fault.DemoProtected}} {
		step := 0
		say := func(format string, args ...any) {
			if c.JSON {
				return
			}
			if step++; step == 1 {
				fmt.Fprintf(out, "%s\n\n", showing.heading)
			}
			fmt.Fprintf(out, "%d. %s\n", step, fmt.Sprintf(format, args...))
		}
		result, err := showing.tell(ctx, stage, say)
		if err != nil {
			return false, err
		}
		if c.JSON {
			err = c.tell(out, result)
		} else {
			_, err = fmt.Fprintln(out)
		}
		if err != nil || !result.OK {
			return false, err
		}
	}
	return true, nil
}

func (c faultCommand) tell(out io.Writer, result *fault.Result) error {
	if c.JSON {
		return json.NewEncoder(out).Encode(result)
	}
	_, err := io.WriteString(out, result.Text())
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
	if path, err = cluster.Build(ctx, folder, cluster.FaultTag); err != nil {
		return "", nil, errors.Join(err, remove())
	}
	return path, remove, nil
}
