// A Privacy Pass client on circl, for go.test.ts: reads the key and the challenge, writes the token request, reads the
// response, writes the tokens. One line of hex each; arguments are the form and the number of tokens.
package main

import (
	"bufio"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/cloudflare/circl/blindsign/blindrsa"
	"github.com/cloudflare/circl/oprf"
	"github.com/cloudflare/circl/zk/dleq"
)

var errResponse = errors.New("not a response")

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// input is the part of a token before its authenticator (RFC 9577 section 2.2).
func input(tokenType byte, key, challenge []byte) []byte {
	nonce := make([]byte, 32)
	_, err := rand.Read(nonce)
	check(err)
	digest, keyID := sha256.Sum256(challenge), sha256.Sum256(key)
	out := append([]byte{0, tokenType}, nonce...)
	return append(append(out, digest[:]...), keyID[:]...)
}

// head is the front of a token request (RFC 9578 sections 5.1 and 6.1).
func head(tokenType byte, key []byte) []byte {
	keyID := sha256.Sum256(key)
	return []byte{0, tokenType, keyID[31]}
}

// varint is QUIC's variable-length integer (RFC 9000 section 16).
func varint(n int) []byte {
	switch {
	case n < 1<<6:
		return []byte{byte(n)}
	case n < 1<<14:
		return []byte{0x40 | byte(n>>8), byte(n)}
	default:
		return []byte{0x80 | byte(n>>24), byte(n >> 16), byte(n >> 8), byte(n)}
	}
}

func voprf(key, challenge []byte, count int, exchange func([]byte) []byte) [][]byte {
	suite := oprf.SuiteRistretto255
	public := new(oprf.PublicKey)
	check(public.UnmarshalBinary(suite, key))
	client := oprf.NewVerifiableClient(suite, public)
	inputs := make([][]byte, count)
	for i := range inputs {
		inputs[i] = input(5, key, challenge)
	}
	finalize, request, err := client.Blind(inputs)
	check(err)
	length := varint(32 * count)
	body := append(head(5, key), length...)
	for _, element := range request.Elements {
		bytes, err := element.MarshalBinaryCompress()
		check(err)
		body = append(body, bytes...)
	}
	response := exchange(body)
	if len(response) != len(length)+32*count+64 || string(response[:len(length)]) != string(length) {
		check(errResponse)
	}
	rest := response[len(length):]
	evaluation := &oprf.Evaluation{Proof: new(dleq.Proof)}
	for i := 0; i < count; i++ {
		element := suite.Group().NewElement()
		check(element.UnmarshalBinary(rest[32*i : 32*(i+1)]))
		evaluation.Elements = append(evaluation.Elements, element)
	}
	check(evaluation.Proof.UnmarshalBinary(suite.Group(), rest[32*count:]))
	outputs, err := client.Finalize(finalize, evaluation)
	check(err)
	for i := range outputs {
		outputs[i] = append(inputs[i], outputs[i]...)
	}
	return outputs
}

func blindRSA(key, challenge []byte, exchange func([]byte) []byte) [][]byte {
	// crypto/x509 does not read keys of id-RSASSA-PSS
	var spki struct {
		Algorithm asn1.RawValue
		Key       asn1.BitString
	}
	rest, err := asn1.Unmarshal(key, &spki)
	if err == nil && len(rest) > 0 {
		err = errors.New("trailing bytes")
	}
	check(err)
	var public *rsa.PublicKey
	public, err = x509.ParsePKCS1PublicKey(spki.Key.Bytes)
	check(err)
	client, err := blindrsa.NewClient(blindrsa.SHA384PSSDeterministic, public)
	check(err)
	message, err := client.Prepare(rand.Reader, input(2, key, challenge))
	check(err)
	blinded, state, err := client.Blind(rand.Reader, message)
	check(err)
	signature, err := client.Finalize(state, exchange(append(head(2, key), blinded...)))
	check(err)
	return [][]byte{append(message, signature...)}
}

func main() {
	in := bufio.NewReader(os.Stdin)
	read := func() []byte {
		line, err := in.ReadString('\n')
		check(err)
		bytes, err := hex.DecodeString(strings.TrimSpace(line))
		check(err)
		return bytes
	}
	exchange := func(request []byte) []byte {
		fmt.Println(hex.EncodeToString(request))
		return read()
	}
	count, err := strconv.Atoi(os.Args[2])
	check(err)
	key, challenge := read(), read()
	var tokens [][]byte
	if os.Args[1] == "amortized" {
		tokens = voprf(key, challenge, count, exchange)
	} else {
		tokens = blindRSA(key, challenge, exchange)
	}
	for _, token := range tokens {
		fmt.Println(hex.EncodeToString(token))
	}
}
