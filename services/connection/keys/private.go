package keys

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"strings"
)

// Errors of reading keys.
var (
	// ErrNoKey means that the text is no private key in a form that is taken.
	ErrNoKey = errors.New("is no private key in PEM (PKCS #8, PKCS #1 or SEC 1)")
	// ErrNoSigningKey is ErrNoKey where a JWK is taken too.
	ErrNoSigningKey = errors.New("is no private key: wants PEM (PKCS #8, PKCS #1 or SEC 1), or a JWK")
	// ErrEncrypted means that the key is protected by a passphrase.
	ErrEncrypted = errors.New("is protected by a passphrase, which is not supported: give the key itself, it is stored sealed")
	// ErrPublic means that the key is only the public half.
	ErrPublic = errors.New("is a public key; the private one is wanted")
	// ErrUnsupported means that nothing here can use keys of that kind.
	ErrUnsupported = errors.New("is of a kind that is not supported; RSA, ECDSA on P-256, P-384 or P-521, and Ed25519 are")
)

// private reads the first private key of a PEM text. What else is in it, such as EC PARAMETERS, is passed over.
func private(text string) (crypto.Signer, error) {
	for rest := []byte(text); ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			return nil, ErrNoKey
		}
		switch {
		case block.Type == "ENCRYPTED PRIVATE KEY", strings.Contains(block.Headers["Proc-Type"], "ENCRYPTED"):
			return nil, ErrEncrypted
		case strings.HasSuffix(block.Type, "PUBLIC KEY"):
			return nil, ErrPublic
		case strings.HasSuffix(block.Type, "PRIVATE KEY"):
			return parse(block.Bytes)
		}
	}
}

// parse goes by the content: labels are often wrong.
func parse(der []byte) (crypto.Signer, error) {
	if key, err := x509.ParsePKCS1PrivateKey(der); err == nil {
		return key, nil
	}
	if key, err := x509.ParseECPrivateKey(der); err == nil {
		return key, nil
	}
	key, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return nil, ErrNoKey // the parser's text would lead nowhere
	}
	switch key := key.(type) {
	case *rsa.PrivateKey:
		return key, nil
	case *ecdsa.PrivateKey:
		return key, nil
	case ed25519.PrivateKey:
		return key, nil
	default:
		return nil, ErrUnsupported
	}
}
