// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {MerkleProof} from "@openzeppelin/contracts/utils/cryptography/MerkleProof.sol";
import {IProtocolHashes} from "./IProtocolHashes.sol";

/// @title Hashes of the protocol's records, under this contract's own EIP-712 domain
abstract contract ProtocolHashes is IProtocolHashes, EIP712 {
    bytes32 private constant COMMITMENT_TYPEHASH =
        keccak256("Commitment(bytes32 runId,uint64 round,bytes32 commitment)");
    bytes32 private constant SCORE_TYPEHASH = keccak256(
        "Score(bytes32 runId,uint64 round,address subject,bytes32 commitment,bytes32 shard,int256 ndcgGainWad,int256 hitGainWad)"
    );
    bytes32 private constant SETTLEMENT_TYPEHASH =
        keccak256("Settlement(bytes32 runId,uint64 round,bytes32 settlementHash)");
    bytes32 private constant NODE_BINDING_TYPEHASH =
        keccak256("NodeBinding(bytes32 runId,address account,uint64 nodeId)");

    constructor() EIP712("T-FedRS", "1") {}

    /// @inheritdoc IProtocolHashes
    function commitmentOf(bytes32 runId, uint64 round, address account, bytes32 updateHash, bytes32 salt)
        external
        pure
        returns (bytes32)
    {
        return keccak256(abi.encode(runId, round, account, updateHash, salt));
    }

    /// @inheritdoc IProtocolHashes
    function cohortLeaf(uint256 index, address account) external pure returns (bytes32) {
        return _leaf(abi.encode(index, account));
    }

    /// @inheritdoc IProtocolHashes
    function commitmentLeaf(uint256 index, address account, bytes32 commitment) external pure returns (bytes32) {
        return _leaf(abi.encode(index, account, commitment));
    }

    /// @inheritdoc IProtocolHashes
    function reputationLeaf(
        uint256 index,
        address account,
        int256 consolidatedWad,
        uint256 calibratedWad,
        uint256 gateWad,
        uint256 smoothedWad,
        uint256 prefixWad
    ) external pure returns (bytes32) {
        return _leaf(abi.encode(index, account, consolidatedWad, calibratedWad, gateWad, smoothedWad, prefixWad));
    }

    /// @inheritdoc IProtocolHashes
    function rewardLeaf(uint256 index, address account, uint256 cumulativeWei) public pure returns (bytes32) {
        return _leaf(abi.encode(index, account, cumulativeWei));
    }

    /// @inheritdoc IProtocolHashes
    function rootOf(bytes32 leaf, bytes32[] calldata proof) public pure returns (bytes32) {
        return MerkleProof.processProofCalldata(proof, leaf);
    }

    /// @inheritdoc IProtocolHashes
    function settlementHash(Settlement calldata settlement) external pure returns (bytes32) {
        return keccak256(abi.encode(settlement));
    }

    /// @inheritdoc IProtocolHashes
    function commitmentDigest(bytes32 runId, uint64 round, bytes32 commitment) external view returns (bytes32) {
        return _hashTypedDataV4(keccak256(abi.encode(COMMITMENT_TYPEHASH, runId, round, commitment)));
    }

    /// @inheritdoc IProtocolHashes
    function scoreDigest(
        bytes32 runId,
        uint64 round,
        address subject,
        bytes32 commitment,
        bytes32 shard,
        int256 ndcgGainWad,
        int256 hitGainWad
    ) external view returns (bytes32) {
        return _hashTypedDataV4(
            keccak256(abi.encode(SCORE_TYPEHASH, runId, round, subject, commitment, shard, ndcgGainWad, hitGainWad))
        );
    }

    /// @inheritdoc IProtocolHashes
    function settlementDigest(bytes32 runId, uint64 round, bytes32 settlementHash_) external view returns (bytes32) {
        return _hashTypedDataV4(keccak256(abi.encode(SETTLEMENT_TYPEHASH, runId, round, settlementHash_)));
    }

    /// @inheritdoc IProtocolHashes
    function nodeBindingDigest(bytes32 runId, address account, uint64 nodeId) external view returns (bytes32) {
        return _hashTypedDataV4(keccak256(abi.encode(NODE_BINDING_TYPEHASH, runId, account, nodeId)));
    }

    function _leaf(bytes memory record) private pure returns (bytes32) {
        return keccak256(bytes.concat(keccak256(record)));
    }
}
