package keys

import (
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
)

// Errors of reading certificates.
var (
	// ErrNoCertificate means that the text has no certificate in PEM.
	ErrNoCertificate = errors.New("has no certificate in PEM: wants -----BEGIN CERTIFICATE-----")
	// ErrMismatch means that certificate and key are not of one pair.
	ErrMismatch = errors.New("is not the key of the first certificate of certificate_chain, which is to be the client's own")
)

// CheckChain says what is wrong with a certificate chain.
func CheckChain(text string) error {
	_, err := chain(text)
	return err
}

// CheckPair says what is wrong with the private key of a chain that CheckChain finds nothing wrong with.
func CheckPair(chainText, keyText string) error {
	_, err := Pair(chainText, keyText)
	return err
}

// Pair returns a client certificate for TLS, its leaf parsed.
func Pair(chainText, keyText string) (tls.Certificate, error) {
	certificates, err := chain(chainText)
	if err != nil {
		return tls.Certificate{}, err
	}
	key, err := private(keyText)
	if err != nil {
		return tls.Certificate{}, err
	}
	public, ok := key.Public().(interface{ Equal(x crypto.PublicKey) bool })
	if !ok || !public.Equal(certificates[0].PublicKey) {
		return tls.Certificate{}, ErrMismatch
	}
	pair := tls.Certificate{PrivateKey: key, Leaf: certificates[0]}
	for _, c := range certificates {
		pair.Certificate = append(pair.Certificate, c.Raw)
	}
	return pair, nil
}

// chain reads the certificates of a PEM text. A private key in it is refused: the chain is not kept secret.
func chain(text string) ([]*x509.Certificate, error) {
	var certificates []*x509.Certificate
	for rest := []byte(text); ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		if block.Type != "CERTIFICATE" {
			return nil, fmt.Errorf("has a block that is no certificate but %q", block.Type)
		}
		certificate, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("has a certificate, number %d, that cannot be read: %w", len(certificates)+1, err)
		}
		certificates = append(certificates, certificate)
	}
	if len(certificates) == 0 {
		return nil, ErrNoCertificate
	}
	return certificates, nil
}
