package seal_test

import (
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/freshet-io/freshet/services/internal/seal"
)

func TestLoadOrCreateMasterKey(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "master.key")

	made, created, err := seal.LoadOrCreateMasterKey(path)
	require.NoError(t, err)
	require.True(t, created)
	info, err := os.Stat(path)
	require.NoError(t, err)
	require.Equal(t, fs.FileMode(0o600), info.Mode())
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Len(t, entries, 1, "no temporary file is left")

	loaded, created, err := seal.LoadOrCreateMasterKey(path)
	require.NoError(t, err)
	require.False(t, created)
	sealed, err := made.Seal([]byte(canary), resource)
	require.NoError(t, err)
	opened, err := loaded.Open(sealed, resource)
	require.NoError(t, err)
	require.Equal(t, canary, string(opened))
}

func TestMasterKeyFileMode(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("Windows has no permission bits")
	}
	path := filepath.Join(t.TempDir(), "master.key")
	_, _, err := seal.LoadOrCreateMasterKey(path)
	require.NoError(t, err)

	for _, mode := range []fs.FileMode{0o400, 0o600, 0o700} {
		require.NoError(t, os.Chmod(path, mode))
		_, created, err := seal.LoadOrCreateMasterKey(path)
		require.NoError(t, err, mode)
		require.False(t, created)
	}
	for _, mode := range []fs.FileMode{0o640, 0o604, 0o644, 0o620, 0o602, 0o610, 0o666, 0o777} {
		require.NoError(t, os.Chmod(path, mode))
		_, _, err := seal.LoadOrCreateMasterKey(path)
		require.ErrorIs(t, err, seal.ErrMasterKeyMode, mode)
		require.ErrorContains(t, err, fmt.Sprintf("%04o", mode))
		require.ErrorContains(t, err, "chmod 600 '"+path+"'")
	}
}

func TestMasterKeyFileErrors(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		return path
	}

	corrupt := write("corrupt.key", canary)
	_, created, err := seal.LoadOrCreateMasterKey(corrupt)
	require.ErrorIs(t, err, seal.ErrMasterKeyCorrupt)
	require.ErrorContains(t, err, corrupt)
	require.NotContains(t, err.Error(), canary)
	require.False(t, created)
	left, err := os.ReadFile(corrupt)
	require.NoError(t, err)
	require.Equal(t, canary, string(left), "a corrupt file is not replaced")

	_, _, err = seal.LoadOrCreateMasterKey(write("empty.key", ""))
	require.ErrorIs(t, err, seal.ErrMasterKeyCorrupt)

	_, _, err = seal.LoadOrCreateMasterKey(write("large.key", strings.Repeat("x", 2<<20)))
	require.ErrorIs(t, err, seal.ErrMasterKeyCorrupt)
	require.ErrorContains(t, err, "larger than")

	_, _, err = seal.LoadOrCreateMasterKey(dir)
	require.ErrorIs(t, err, seal.ErrMasterKeyNotFile)

	missing := filepath.Join(dir, "missing", "master.key")
	_, _, err = seal.LoadOrCreateMasterKey(missing)
	require.ErrorIs(t, err, fs.ErrNotExist)
	require.ErrorContains(t, err, missing)

	_, _, err = seal.LoadOrCreateMasterKey(filepath.Join(corrupt, "below-a-file"))
	require.Error(t, err)

	if os.Geteuid() != 0 && runtime.GOOS != "windows" { // root reads everything
		unreadable := write("unreadable.key", "")
		require.NoError(t, os.Chmod(unreadable, 0o200))
		_, _, err = seal.LoadOrCreateMasterKey(unreadable)
		require.ErrorIs(t, err, fs.ErrPermission)
		require.ErrorContains(t, err, unreadable)
	}
}

// racePath is set in the environment of the processes of the race test.
const racePath = "FRESHET_SEAL_TEST_RACE_PATH"

// TestCreateRace starts several processes that create the same master key at
// once: one creates, all use the same key.
func TestCreateRace(t *testing.T) {
	if path := os.Getenv(racePath); path != "" {
		raceProcess(t, path)
		return
	}
	t.Parallel()
	const processes = 6
	path := filepath.Join(t.TempDir(), "master.key")
	var commands []*exec.Cmd
	var gates []io.Closer
	outputs := make([]strings.Builder, processes)
	for i := range processes {
		command := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestCreateRace$", "-test.v")
		command.Env = append(os.Environ(), racePath+"="+path)
		command.Stdout, command.Stderr = &outputs[i], &outputs[i]
		gate, err := command.StdinPipe()
		require.NoError(t, err)
		require.NoError(t, command.Start())
		commands, gates = append(commands, command), append(gates, gate)
	}
	for _, gate := range gates { // all wait at their gate
		require.NoError(t, gate.Close())
	}

	creators, keys := 0, map[string]bool{}
	for i, command := range commands {
		require.NoError(t, command.Wait(), outputs[i].String())
		_, result, found := strings.Cut(outputs[i].String(), "RESULT ")
		require.True(t, found, outputs[i].String())
		fields := strings.Fields(result)
		if fields[0] == "true" {
			creators++
		}
		keys[fields[1]] = true
	}
	require.Equal(t, 1, creators)
	require.Len(t, keys, 1)
}

// raceProcess runs in the started processes.
func raceProcess(t *testing.T, path string) {
	_, err := io.ReadAll(os.Stdin) // the gate
	require.NoError(t, err)
	sealer, created, err := seal.LoadOrCreateMasterKey(path)
	require.NoError(t, err)
	key, err := sealer.DeriveKey("race")
	require.NoError(t, err)
	_, err = fmt.Fprintf(os.Stdout, "RESULT %t %s\n", created, hex.EncodeToString(key))
	require.NoError(t, err)
}
