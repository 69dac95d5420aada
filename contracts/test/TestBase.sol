// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IProtocolHashes} from "../src/IProtocolHashes.sol";
import {RewardToken} from "../src/RewardToken.sol";
import {RoundLedger} from "../src/RoundLedger.sol";

/// @notice The few of forge's cheat codes that these tests use.
interface Vm {
    struct Gas {
        uint64 gasLimit;
        uint64 gasTotalUsed;
        uint64 gasMemoryUsed;
        int64 gasRefunded;
        uint64 gasRemaining;
    }

    function prank(address sender) external;
    function warp(uint256 timestamp) external;
    function expectRevert(bytes calldata reason) external;
    function expectEmit(address emitter) external;
    function lastCallGas() external view returns (Gas memory);
}

/// @notice Contracts deployed anew for each test, and the steps that most tests share.
abstract contract TestBase {
    Vm internal constant vm = Vm(0x7109709ECfa91a80626fF3989D68f67F5b1DD12D);

    address internal constant ALICE = address(0xA11CE);
    address internal constant BOB = address(0xB0B);
    address internal constant COORDINATOR = address(0xC0);
    bytes32 internal constant RUN = keccak256("run");
    bytes32 internal constant OTHER_RUN = keccak256("other run");
    uint256 internal constant SUPPLY_WEI = 1_000_000 ether;
    uint64 internal constant WINDOW_SECONDS = 3600;

    RewardToken internal token;
    RoundLedger internal ledger;

    function setUp() public virtual {
        token = new RewardToken(address(this), SUPPLY_WEI);
        ledger = new RoundLedger(token, address(this), COORDINATOR, WINDOW_SECONDS);
        token.approve(address(ledger), type(uint256).max);
    }

    function _openRun(bytes32 runId) internal {
        vm.prank(COORDINATOR);
        ledger.openRun(runId, "settings", "anchor", "catalogue", "cohort");
    }

    function _openRound(bytes32 runId, uint64 round) internal {
        vm.prank(COORDINATOR);
        ledger.openRound(runId, round, "model");
    }

    function _commit(bytes32 runId, uint64 round) internal {
        vm.prank(COORDINATOR);
        ledger.commitUpdates(runId, round, "commitments");
    }

    function _settle(bytes32 runId, uint64 round, bytes32 rewardRoot, uint128 rewardedWei) internal returns (uint64) {
        vm.prank(COORDINATOR);
        return ledger.settleRound(runId, round, _settlement(rewardRoot, rewardedWei));
    }

    function _wholeRound(bytes32 runId, uint64 round, bytes32 rewardRoot, uint128 rewardedWei)
        internal
        returns (uint64)
    {
        _openRound(runId, round);
        _commit(runId, round);
        return _settle(runId, round, rewardRoot, rewardedWei);
    }

    function _settlement(bytes32 rewardRoot, uint128 rewardedWei)
        internal
        pure
        returns (IProtocolHashes.Settlement memory)
    {
        return IProtocolHashes.Settlement({
            evidenceRoot: "evidence",
            reputationRoot: "reputation",
            rewardRoot: rewardRoot,
            nextModelHash: "next model",
            rewardedWei: rewardedWei
        });
    }

    /// @dev The root over two accounts' totals, and the proof of each: just the other's leaf.
    function _twoAccounts(uint256 aliceWei, uint256 bobWei)
        internal
        view
        returns (bytes32 root, bytes32[] memory aliceProof, bytes32[] memory bobProof)
    {
        bytes32 aliceLeaf = ledger.rewardLeaf(0, ALICE, aliceWei);
        bytes32 bobLeaf = ledger.rewardLeaf(1, BOB, bobWei);
        aliceProof = new bytes32[](1);
        bobProof = new bytes32[](1);
        (aliceProof[0], bobProof[0]) = (bobLeaf, aliceLeaf);
        root = ledger.rootOf(aliceLeaf, aliceProof);
    }

    function assertEq(uint256 got, uint256 expected) internal pure {
        if (got != expected) revert Differs(got, expected);
    }

    function assertEq(bytes32 got, bytes32 expected) internal pure {
        if (got != expected) revert HashDiffers(got, expected);
    }

    error Differs(uint256 got, uint256 expected);
    error HashDiffers(bytes32 got, bytes32 expected);
}
