package availability

import (
	"context"
	_ "embed"
	"slices"
	"strconv"

	"github.com/redis/go-redis/v9"

	"interlock/services/rail"
)

var (
	//go:embed lua/stored.lua
	storedLua string
	//go:embed lua/apply.lua
	applyLua string
	//go:embed lua/replace.lua
	replaceLua string
	//go:embed lua/loaded.lua
	loadedLua string
)

// scripts are what runs inside Redis, each in one step. A redis.Script sends the text again to a Redis that has
// forgotten it, but not in a pipeline: see applyAll.
type scripts struct{ apply, replace, loaded *redis.Script }

func newScripts() scripts {
	return scripts{
		apply:   redis.NewScript(storedLua + applyLua),
		replace: redis.NewScript(storedLua + replaceLua),
		loaded:  redis.NewScript(loadedLua),
	}
}

// write is one entry on its way to Redis, by one of the scripts.
type write struct {
	left  *rail.Availability
	key   string
	entry []byte
}

func newWrite(left *rail.Availability) (write, error) {
	entry, err := encode(left)
	return write{left: left, key: entryKey(left.RunID), entry: entry}, err
}

// args are what a script is given beside the key.
func (w write) args() []any {
	return []any{strconv.FormatInt(w.left.Version, 10), w.entry, changesChannel(w.left.RunID)}
}

// Apply stores what is left of a run unless the same or a newer version is stored already, and tells subscribers.
func (c *Cache) Apply(ctx context.Context, left *rail.Availability) error {
	w, err := newWrite(left)
	if err != nil {
		return err
	}
	applied, err := c.scripts.apply.Run(ctx, c.client, []string{w.key}, w.args()...).Int()
	if err != nil {
		return err
	}
	c.counts.applied.Add(uint64(applied))
	c.counts.outdated.Add(uint64(1 - applied))
	return nil
}

// Replace stores an entry, be it older or newer, if what is stored is still of the version that was seen. 0 was seen
// where nothing was stored that can be read. Where the version has moved on, nothing happens: the caller compares
// again.
func (c *Cache) Replace(ctx context.Context, left *rail.Availability, seen int64) error {
	w, err := newWrite(left)
	if err != nil {
		return err
	}
	args := append(w.args(), strconv.FormatInt(seen, 10))
	replaced, err := c.scripts.replace.Run(ctx, c.client, []string{w.key}, args...).Int()
	if err != nil {
		return err
	}
	c.counts.replaced.Add(uint64(replaced))
	return nil
}

// writesPerScript is how many entries one call of apply.lua stores. To start a script costs more than an entry does, on
// miniredis fifty times as much; and Redis does nothing else while it runs.
const writesPerScript = 100

// applyAll applies many in one pipeline. A pipeline learns only at its end that Redis, restarted, has forgotten the
// script; what failed of it is sent again with the script's text.
func (c *Cache) applyAll(ctx context.Context, writes []write) error {
	perScript := writesPerScript
	if _, ok := c.client.(*redis.Client); !ok {
		perScript = 1 // in a Cluster, the keys of one script must be on one node
	}
	unknown, err := c.applyBy(ctx, c.scripts.apply.EvalSha, slices.Collect(slices.Chunk(writes, perScript)))
	if err != nil {
		return err
	}
	_, err = c.applyBy(ctx, c.scripts.apply.Eval, unknown)
	return err
}

// applyBy applies batches by one way to run the script, and returns those for which Redis did not know it.
func (c *Cache) applyBy(
	ctx context.Context, run func(context.Context, redis.Scripter, []string, ...any) *redis.Cmd, batches [][]write,
) (unknown [][]write, err error) {
	if len(batches) == 0 {
		return nil, nil
	}
	pipe := c.client.Pipeline()
	cmds := make([]*redis.Cmd, len(batches))
	for i, batch := range batches {
		var keys []string
		var args []any
		for _, w := range batch {
			keys, args = append(keys, w.key), append(args, w.args()...)
		}
		cmds[i] = run(ctx, pipe, keys, args...)
	}
	// The commands' own errors are looked at one by one.
	_, _ = pipe.Exec(ctx)
	for i, cmd := range cmds {
		applied, err := cmd.Int()
		switch {
		case redis.HasErrorPrefix(err, "NOSCRIPT"):
			unknown = append(unknown, batches[i])
		case err != nil:
			return nil, err
		default:
			c.counts.applied.Add(uint64(applied))
			c.counts.outdated.Add(uint64(len(batches[i]) - applied))
		}
	}
	return unknown, nil
}
