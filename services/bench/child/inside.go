package child

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
)

// ErrNoParent means that a process that belongs to a benchmark was started by something else.
var ErrNoParent = errors.New("this command is a part of freshet bench and not run by hand")

// maxConfig bounds the configuration's line, in bytes.
const maxConfig = 1 << 20

// Configure reads the configuration that [Command.Config] sent into config. The returned context ends when stdin does: when the
// parent has closed it, or is gone.
func Configure(ctx context.Context, stdin io.Reader, config any) (context.Context, error) {
	in := bufio.NewReaderSize(stdin, maxConfig)
	line, err := in.ReadSlice('\n')
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNoParent, err)
	}
	if err := json.Unmarshal(line, config); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNoParent, err)
	}
	ctx, cancel := context.WithCancel(ctx)
	go func() {
		defer cancel()
		_, _ = io.Copy(io.Discard, in)
	}()
	return ctx, nil
}

// Announce writes the ready line: names of what is served, and where.
func Announce(stdout io.Writer, addrs map[string]string) error {
	return json.NewEncoder(stdout).Encode(addrs)
}

// Addresses returns a [Command.Ready] that waits for [Announce] and puts what it says into addrs.
func Addresses(addrs map[string]string) func(line string) bool {
	return func(line string) bool {
		var announced map[string]string
		if err := json.Unmarshal([]byte(line), &announced); err != nil {
			return false
		}
		maps.Copy(addrs, announced)
		return true
	}
}
