// Command lab is the proving ground: it runs a real cluster on this machine and shows on it what Interlock promises.
//
// Standard output is the result, standard error the log. It exits with 0 when all is well, 1 when it found something
// wrong, and 2 when it could not look.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/alecthomas/kong"

	"interlock/lab/fault"
)

type commands struct {
	Up     upCommand     `cmd:"" help:"Run a cluster until told to stop."`
	Sell   sellCommand   `cmd:"" help:"Sell tickets as fast as they go, against a baseline and the database's ceiling."`
	Search searchCommand `cmd:"" help:"Search while tickets are sold, and count what MySQL is asked."`
	Watch  watchCommand  `cmd:"" help:"Let thousands watch one run that is being sold."`
	Pay    payCommand    `cmd:"" help:"Pay through a slow bank while tickets are sold."`
	Fault  faultCommand  `cmd:"" help:"Break something while people buy, and check all that they were told."`
	Attack attackCommand `cmd:"" help:"Attack a server while people buy, and see what it costs them."`
	Seats  seatsCommand  `cmd:"" help:"Sell a season by several ways of choosing the seat."`
	Report reportCommand `cmd:"" help:"Write docs/benchmarks.md and docs/attacks.md from what the others printed."`
}

// The exit codes besides 0.
const (
	exitFound       = 1
	exitCouldNotSee = 2
)

// errFound says that a command looked, and found something wrong that it has already printed.
var errFound = errors.New("something is wrong")

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

// run is main with its surroundings handed in.
func run(arguments []string, stdout, stderr io.Writer) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	cli := commands{}
	exited := -1
	parser, err := kong.New(&cli, kong.Name("lab"), kong.Description("Interlock's proving ground."),
		kong.Vars{"areas": strings.Join(fault.Areas(), ", "), "documents": documentsHelp, "notes": notesHelp},
		kong.Writers(stdout, stderr), kong.Exit(func(code int) { exited = code }), kong.UsageOnError())
	if err != nil {
		fmt.Fprintln(stderr, "lab:", err)
		return exitCouldNotSee
	}
	command, err := parser.Parse(arguments)
	if exited >= 0 {
		return exited
	}
	if err != nil {
		fmt.Fprintln(stderr, "lab:", err)
		return exitCouldNotSee
	}
	command.BindTo(ctx, (*context.Context)(nil))
	command.BindTo(stdout, (*io.Writer)(nil))
	err = command.Run(slog.New(slog.NewTextHandler(stderr, nil)))
	switch {
	case err == nil:
		return 0
	case errors.Is(err, errFound):
		return exitFound
	}
	if cause := context.Cause(ctx); cause != nil {
		err = fmt.Errorf("%w: %w", cause, err) // which signal it was
	}
	fmt.Fprintln(stderr, "lab:", err)
	return exitCouldNotSee
}
