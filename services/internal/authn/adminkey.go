package authn

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/freshet-io/freshet/services/internal/seal"
)

// Errors of [LoadOrCreateAdminKey] and [ReadAdminKey]; those of the operating
// system are wrapped as they are. None contains the key.
var (
	// ErrAdminKeyMode means that users other than the owner and its group may
	// read the file, or others than the owner write it.
	ErrAdminKeyMode = errors.New("authn: the admin key file is open to other users")
	// ErrAdminKeyMalformed means that the file's content cannot be a key.
	ErrAdminKeyMalformed = errors.New("authn: the admin key file holds no usable key")
)

const (
	// adminKeyPrefix lets people and secret scanners tell what they found.
	adminKeyPrefix = "fk_"
	// An operator may bring a key of any form that fits in a header; one that is
	// shorter than this could be guessed.
	adminKeyMin = 32
	adminKeyMax = 1024
)

// LoadOrCreateAdminKey returns the SHA-256 of the admin key in the file at path.
// When there is no such file, it makes one with a new key of 32 random bytes,
// readable by its owner only (mode 0600), and reports created; the directory
// must exist. File and directory are synced before the call returns; of several
// processes that create it at once exactly one does, the others load its key.
//
// An existing file may be the operator's own: 32 to 1024 visible ASCII
// characters, space around them ignored. Its group may read it, as mounted
// secrets often demand; others may not ([ErrAdminKeyMode]).
func LoadOrCreateAdminKey(path string) (hash [32]byte, created bool, err error) {
	key, err := ReadAdminKey(path)
	if errors.Is(err, fs.ErrNotExist) {
		if created, err = createAdminKey(path); err != nil {
			return hash, false, fmt.Errorf("authn: create admin key %s: %w", path, err)
		}
		// Read back even our own file: what the next start will see is what counts.
		key, err = ReadAdminKey(path)
	}
	if err != nil {
		return hash, false, err
	}
	return sha256.Sum256([]byte(key.Reveal())), created, nil
}

// ReadAdminKey returns the key in the file at path, with the same checks as
// [LoadOrCreateAdminKey]; a missing file is [fs.ErrNotExist]. It is for callers:
// a server needs only the hash.
func ReadAdminKey(path string) (seal.Secret, error) {
	file, err := os.Open(path)
	if err != nil {
		return seal.Secret{}, fmt.Errorf("authn: read admin key: %w", err)
	}
	defer func() { _ = file.Close() }()

	// The opened file is asked, not the path: nobody can swap it in between.
	stat, err := file.Stat()
	if err != nil {
		return seal.Secret{}, fmt.Errorf("authn: read admin key: %w", err)
	}
	// Windows has no such bits; Go reports 0666 there.
	if mode := stat.Mode().Perm(); runtime.GOOS != "windows" && mode&0o027 != 0 {
		return seal.Secret{}, fmt.Errorf("%w: %s has mode %04o; run: chmod 600 '%s'", ErrAdminKeyMode, path, mode, path)
	}
	text, err := io.ReadAll(io.LimitReader(file, 2*adminKeyMax))
	if err != nil {
		return seal.Secret{}, fmt.Errorf("authn: read admin key: %w", err)
	}
	key := strings.TrimSpace(string(text))
	if len(key) < adminKeyMin || len(key) > adminKeyMax || strings.ContainsFunc(key, invisible) {
		return seal.Secret{}, fmt.Errorf("%w: %s must hold %d to %d visible ASCII characters", ErrAdminKeyMalformed, path, adminKeyMin, adminKeyMax)
	}
	return seal.NewSecret(key), nil
}

func invisible(r rune) bool { return r <= ' ' || r > '~' }

// createAdminKey puts a new key at path unless a file is there already, and
// reports whether it did. The key is written to a temporary file that is then
// linked to path: that fails when path exists, as an exclusive create would, but
// nobody ever sees a file half written, also not after a crash.
func createAdminKey(path string) (created bool, err error) {
	random := make([]byte, 32)
	_, _ = rand.Read(random) // never fails
	key := adminKeyPrefix + base64.RawURLEncoding.EncodeToString(random) + "\n"

	dir := filepath.Dir(path)
	temporary, err := os.CreateTemp(dir, ".admin-key-*") // mode 0600, O_EXCL
	if err != nil {
		return false, err
	}
	defer func() { _ = os.Remove(temporary.Name()) }()

	_, err = temporary.WriteString(key)
	if err == nil {
		err = temporary.Sync()
	}
	if err := errors.Join(err, temporary.Close()); err != nil {
		return false, err
	}
	err = os.Link(temporary.Name(), path)
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return false, err
	}
	return err == nil, syncDir(dir)
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
