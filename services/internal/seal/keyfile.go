package seal

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
)

// Errors of [LoadOrCreateMasterKey], besides [ErrMasterKeyCorrupt]. Those that
// come from the operating system are wrapped as they are.
var (
	// ErrMasterKeyMode means that others than the owner may read or write the
	// file. The message has the command that mends it.
	ErrMasterKeyMode = errors.New("seal: the master key file is open to other users")
	// ErrMasterKeyNotFile means that the path is a directory or a device.
	ErrMasterKeyNotFile = errors.New("seal: the master key path is not a regular file")
)

// maxKeyFile bounds what is read from a path that may be the wrong one. A
// master key has a few hundred bytes per key.
const maxKeyFile = 1 << 20

// LoadOrCreateMasterKey reads the master key at path; when there is no such
// file it makes one with a new key, readable by its owner only (mode 0600), and
// reports created. The directory must exist. The key is on disk, file and
// directory synced, before the call returns; of several processes that create
// it at once, exactly one does and the others load its key.
//
// Errors name the path and what to do, and never contain the file's content:
// [ErrMasterKeyMode], [ErrMasterKeyNotFile], [ErrMasterKeyCorrupt], or the
// operating system's.
func LoadOrCreateMasterKey(path string) (sealer *Sealer, created bool, err error) {
	sealer, err = loadMasterKey(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return sealer, false, err
	}
	created, err = createKeyFile(path)
	if err != nil {
		return nil, false, fmt.Errorf("seal: create master key %s: %w", path, err)
	}
	// Read back even our own file: what the next start will see is what counts.
	sealer, err = loadMasterKey(path)
	if err != nil {
		return nil, false, err
	}
	return sealer, created, nil
}

func loadMasterKey(path string) (*Sealer, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("seal: read master key: %w", err)
	}
	defer func() { _ = file.Close() }()

	// The opened file is asked, not the path: nobody can swap it in between.
	info, err := file.Stat()
	if err != nil {
		return nil, fmt.Errorf("seal: read master key: %w", err)
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%w: %s", ErrMasterKeyNotFile, path)
	}
	// Windows has no such bits; Go reports 0666 there.
	if mode := info.Mode().Perm(); runtime.GOOS != "windows" && mode&0o077 != 0 {
		return nil, fmt.Errorf("%w: %s has mode %04o; run: chmod 600 '%s'", ErrMasterKeyMode, path, mode, path)
	}
	text, err := io.ReadAll(io.LimitReader(file, maxKeyFile+1))
	if err != nil {
		return nil, fmt.Errorf("seal: read master key: %w", err)
	}
	if len(text) > maxKeyFile {
		return nil, fmt.Errorf("%w: %s is larger than %d bytes", ErrMasterKeyCorrupt, path, maxKeyFile)
	}
	sealer, err := ParseMasterKey(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return sealer, nil
}

// createKeyFile puts a new master key at path unless a file is there already,
// and reports whether it did.
//
// The key is written to a temporary file that is then linked to path. A link
// fails when path exists, which an exclusive create would give too, but nobody
// ever sees a file that is still being written, also not after a crash.
func createKeyFile(path string) (created bool, err error) {
	text, err := GenerateMasterKey()
	if err != nil {
		return false, err
	}
	dir := filepath.Dir(path)
	temporary, err := os.CreateTemp(dir, ".master-key-*") // mode 0600, O_EXCL
	if err != nil {
		return false, err
	}
	defer func() { _ = os.Remove(temporary.Name()) }()

	if err := writeSynced(temporary, text); err != nil {
		return false, err
	}
	switch err := os.Link(temporary.Name(), path); {
	case errors.Is(err, fs.ErrExist):
		created = false // another process was faster; its key is the one
	case err != nil:
		return false, err
	default:
		created = true
	}
	return created, syncDir(dir)
}

func writeSynced(file *os.File, text []byte) error {
	_, err := file.Write(text)
	if err == nil {
		err = file.Sync()
	}
	return errors.Join(err, file.Close())
}

// syncDir makes the directory's entries durable.
func syncDir(dir string) error {
	if runtime.GOOS == "windows" { // directories cannot be synced there
		return nil
	}
	handle, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(handle.Sync(), handle.Close())
}
