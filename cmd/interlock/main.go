// Command interlock sells train tickets. It serves the API, publishes timetables, and looks after what was sold.
//
// Standard output has the result, standard error the log. It exits with 0 when all is well, with 1 when it found
// something wrong, with 2 when it could not look, and with 3 when it put trains on sale and left others out.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"syscall"
	_ "time/tzdata" // A server without a time zone database must show the same times.

	"github.com/alecthomas/kong"
	"github.com/redis/go-redis/v9"

	"interlock/services/rail"
)

// version is set by the linker to the version of the source.
var version = "development"

// commands is the whole command line. Every setting is also a variable INTERLOCK_… and a line of the YAML file.
type commands struct {
	Settings `embed:""`

	Serve       serveCommand       `cmd:"" help:"Serve the API."`
	Migrate     migrateCommand     `cmd:"" help:"Bring the schema of the ledger, of payments and of notifications up to date."`
	Import      importCommand      `cmd:"" help:"Put the trains of a GTFS feed on sale."`
	Rebuild     rebuildCommand     `cmd:"" help:"Rewrite Redis from the ledger."`
	Verify      verifyCommand      `cmd:"" help:"Recompute every promise from the tickets."`
	RotateKeys  rotateKeysCommand  `cmd:"" help:"Seal every passenger with the first of --personal-data-keys."`
	Erase       eraseCommand       `cmd:"" help:"Forget a buyer in the orders of runs that are over."`
	TicketKeys  ticketKeysCommand  `cmd:"" help:"Show, add or drop the keys that tickets are signed with."`
	CheckTicket checkTicketCommand `cmd:"" help:"Check a ticket's code, without a network."`
	Failover    failoverCommand    `cmd:"" help:"Look after the members of a MySQL cluster."`
	Messages    messagesCommand    `cmd:"" help:"Look at events, and at what could not be handled."`
	Pay         payCommand         `cmd:"" help:"Take payments in a process of its own."`
	Notify      notifyCommand      `cmd:"" help:"Tell buyers and partners in a process of its own."`
	SandboxBank sandboxBankCommand `cmd:"" help:"Serve a bank that takes no money, to try payments out."`
	Token       tokenCommand       `cmd:"" help:"Print a development token."`
	Healthcheck healthcheckCommand `cmd:"" help:"Ask the local server whether it is ready."`
	Config      configCommand      `cmd:"" help:"Print the settings in force."`

	FaultCommands `embed:""`

	Version kong.VersionFlag `help:"Print version, commit and Go version."`
}

// The exit codes besides 0.
const (
	exitFound       = 1
	exitCouldNotSee = 2
	exitLeftOut     = 3
)

// redisLog takes the log of go-redis, which has one for the whole process. It is for debugging: each failure in it is
// an error elsewhere, too.
type redisLog struct{ log *slog.Logger }

// Printf implements the logger of go-redis.
func (l redisLog) Printf(ctx context.Context, format string, arguments ...any) {
	l.log.DebugContext(ctx, fmt.Sprintf(format, arguments...))
}

// errorStream is standard error, for commands that show their progress.
type errorStream struct{ io.Writer }

// errFound says that a command found something wrong, and has printed it.
var errFound = errors.New("something is wrong")

// errLeftOut says that an import has left something out, and has printed it.
var errLeftOut = errors.New("something is left out")

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

// run is main with its surroundings as arguments. It returns the exit code.
func run(arguments []string, stdout, stderr io.Writer) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	cli := commands{}
	exited := -1
	file, err := besideUs()
	if err != nil {
		fmt.Fprintln(stderr, "interlock:", err)
		return exitCouldNotSee
	}
	parser, err := kong.New(&cli,
		kong.Name("interlock"),
		kong.Description("Sells train tickets, and never one seat twice."),
		describeSettings(),
		kong.Resolvers(file...),
		kong.Configuration(readSettings),
		kong.Writers(stdout, stderr),
		kong.Exit(func(code int) { exited = code }),
		kong.Vars{"version": versionLine()}, importHelp, rebuildHelp, failoverHelp,
		kong.UsageOnError(),
	)
	if err != nil {
		fmt.Fprintln(stderr, "interlock:", err)
		return exitCouldNotSee
	}
	command, err := parser.Parse(arguments)
	if exited >= 0 {
		return exited
	}
	if err != nil {
		fmt.Fprintln(stderr, "interlock:", err)
		return exitCouldNotSee
	}
	log := slog.New(slog.NewTextHandler(stderr, &slog.HandlerOptions{Level: cli.LogLevel}))
	redis.SetLogger(redisLog{log})
	command.BindTo(ctx, (*context.Context)(nil))
	command.BindTo(stdout, (*io.Writer)(nil))
	command.Bind(errorStream{stderr})
	err = command.Run(&cli.Settings, log)
	switch {
	case err == nil:
		return 0
	case errors.Is(err, errFound):
		return exitFound
	case errors.Is(err, errLeftOut):
		return exitLeftOut
	case rail.CodeOf(err).IsRefusal():
		// The command found its input wrong: a feed, a template, a date.
		for _, refusal := range refusals(err) {
			fmt.Fprintln(stderr, "interlock:", refusal.Message)
		}
		return exitFound
	}
	fmt.Fprintln(stderr, "interlock:", err)
	return exitCouldNotSee
}

// refusals are all refusals in an error. Each is printed on a line.
func refusals(err error) []*rail.Error {
	var all rail.Errors
	if errors.As(err, &all) {
		return all
	}
	var one *rail.Error
	if errors.As(err, &one) {
		return []*rail.Error{one}
	}
	return nil
}

// commit is the revision that the binary was built from; "unknown" where the toolchain has noted none.
func commit() string {
	info, ok := debug.ReadBuildInfo()
	if ok {
		for _, setting := range info.Settings {
			if setting.Key == "vcs.revision" {
				return setting.Value
			}
		}
	}
	return "unknown"
}

func versionLine() string {
	return fmt.Sprintf("interlock %s, commit %s, %s", version, commit(), runtime.Version())
}
